/* The table of reasons why a handshake fails, by how the texts begin. */
#include "handshake_refusal.h"

#include <assert.h>
#include <string.h>

static_assert((int)HANDSHAKE_REFUSAL_COUNT <= (int)METRICS_REFUSALS, "each has its counter");

/* The first that REASON begins with. Texts of X509_verify_cert_error_string(3) and
 * ERR_reason_error_string(3), of gateway/tls/ and of the table of close reasons. */
static const struct {
	const char *text;
	enum handshake_refusal refusal;
} beginnings[] = {
    {"peer did not return a certificate", HANDSHAKE_REFUSAL_NO_CERTIFICATE},
    {"certificate revoked", HANDSHAKE_REFUSAL_REVOKED},
    {"certificate has expired", HANDSHAKE_REFUSAL_EXPIRED},
    {"certificate is not yet valid", HANDSHAKE_REFUSAL_NOT_YET_VALID},
    {"CRL has expired", HANDSHAKE_REFUSAL_CRL_EXPIRED},
    {"unable to get issuer certificate", HANDSHAKE_REFUSAL_UNKNOWN_CA},
    {"unable to get local issuer certificate", HANDSHAKE_REFUSAL_UNKNOWN_CA},
    {"unable to verify the first certificate", HANDSHAKE_REFUSAL_UNKNOWN_CA},
    {"self-signed certificate", HANDSHAKE_REFUSAL_UNKNOWN_CA},
    {"self signed certificate", HANDSHAKE_REFUSAL_UNKNOWN_CA},
    {"certificate signature failure", HANDSHAKE_REFUSAL_UNKNOWN_CA},
    {"unsuitable certificate purpose", HANDSHAKE_REFUSAL_PROFILE},
    {"the ", HANDSHAKE_REFUSAL_PROFILE},
    {"an extension ", HANDSHAKE_REFUSAL_PROFILE},
    {"EE certificate key too weak", HANDSHAKE_REFUSAL_PROFILE},
    {"ee key too small", HANDSHAKE_REFUSAL_PROFILE},
    {"CA signature digest algorithm too weak", HANDSHAKE_REFUSAL_PROFILE},
    {"ca md too weak", HANDSHAKE_REFUSAL_PROFILE},
    {"no shared cipher", HANDSHAKE_REFUSAL_PROTOCOL},
    {"no suitable", HANDSHAKE_REFUSAL_PROTOCOL},
    {"no shared", HANDSHAKE_REFUSAL_PROTOCOL},
    {"no application protocol", HANDSHAKE_REFUSAL_PROTOCOL},
    {"unsupported protocol", HANDSHAKE_REFUSAL_PROTOCOL},
    {"version too low", HANDSHAKE_REFUSAL_PROTOCOL},
    {"wrong version number", HANDSHAKE_REFUSAL_PROTOCOL},
    {"http request", HANDSHAKE_REFUSAL_PROTOCOL},
    {"https proxy request", HANDSHAKE_REFUSAL_PROTOCOL},
    {"bad ", HANDSHAKE_REFUSAL_PROTOCOL},
    {"unexpected ", HANDSHAKE_REFUSAL_PROTOCOL},
    {"too many TLS records", HANDSHAKE_REFUSAL_PROTOCOL},
    {"too many handshakes", HANDSHAKE_REFUSAL_TOO_MANY},
    {"connection limit", HANDSHAKE_REFUSAL_ADDRESS_LIMIT},
    {"PROXY header refused", HANDSHAKE_REFUSAL_PROXY_HEADER},
    {"handshake timeout", HANDSHAKE_REFUSAL_TIMEOUT},
    {"connection reset by client", HANDSHAKE_REFUSAL_CLIENT_LEFT},
    {"client closed", HANDSHAKE_REFUSAL_CLIENT_LEFT},
};

enum handshake_refusal
handshake_refusal_of(const char *reason)
{
	for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
		if (strncmp(reason, beginnings[i].text, strlen(beginnings[i].text)) == 0)
			return beginnings[i].refusal;
	return HANDSHAKE_REFUSAL_OTHER;
}

const char *
handshake_refusal_label(enum handshake_refusal self)
{
#define LABEL(name, label) label,
	static const char *const labels[] = {HANDSHAKE_REFUSAL_TABLE(LABEL)};
#undef LABEL

	assert(self < HANDSHAKE_REFUSAL_COUNT);
	return labels[self];
}
