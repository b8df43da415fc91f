/* The end of a certificate. Nothing is hard here. */
#include "expiry.h"

#include "client/common/report.h"
#include "credentials.h"
#include "crypto/asn1_seconds.h"

enum { DAY = 24 * 60 * 60 }; /* seconds */

bool
expiry_read(const struct config *config, time_t *end)
{
	struct failure unreadable = {0};
	struct credentials *credentials = credentials_read(config, &unreadable);

	if (credentials == NULL)
		return false;
	*end = asn1_seconds(X509_get0_notAfter(credentials_certificate(credentials)));
	credentials_free(credentials);
	return true;
}

void
expiry_warn(const char *file, const X509 *certificate)
{
	static bool told;
	time_t end = asn1_seconds(X509_get0_notAfter(certificate)), now = time(NULL);

	if (told || end - now >= EXPIRY_WARN_DAYS * DAY)
		return;
	told = true;
	if (end < now)
		report_note("warning: this client's certificate, %s, has ended by this machine's "
		            "clock: no server will let it in",
		    file);
	else
		report_note(
		    "warning: this client's certificate, %s, ends in %d days: without a new "
		    "one no server will let it in",
		    file, (int)((end - now) / DAY));
}
