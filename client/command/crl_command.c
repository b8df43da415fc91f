/* Revocation lists on the command line. What is hard about them is in client/release. */
#include "crl_command.h"

#include <stdio.h>
#include <time.h>

#include "base/json_writer.h"
#include "client/common/report.h"
#include "client/common/revocation.h"
#include "client/release/crl_renewal.h"

enum { TIME_SIZE = 32 };

bool
crl_command_fetch(const struct config *config, struct buffer *out, struct failure *failure)
{
	struct crl_renewal result;
	char expires[TIME_SIZE];
	struct tm tm;

	if (config->crl == NULL)
		return failure_set(failure, FAILURE_CONFIGURATION,
		    "the configuration names no file for revocation lists: `crl`");
	if (!crl_renewal_fetch(config, &result, failure))
		return false;
	(void)strftime(
	    expires, sizeof expires, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&result.expires, &tm));
	report_note("%s: %s, valid until %s", config->crl,
	    result.changed ? "a new revocation list" : "nothing newer", expires);
	buffer_append(out, "{", 1);
	json_writer_member(out, "crl", config->crl);
	json_writer_key(out, "changed");
	buffer_printf(out, "%s", result.changed ? "true" : "false");
	json_writer_member(out, "expires", expires);
	buffer_append(out, "}\n", 2);
	return true;
}

bool
crl_command_use(const char *crl, const char *ca, struct failure *failure)
{
	if (crl == NULL && ca == NULL)
		return true;
	if (crl == NULL || ca == NULL)
		return failure_set(failure, FAILURE_USAGE,
		    "--crl is a revocation list of the CA that --ca names: both or neither");
	return revocation_use_file(crl, ca, failure);
}
