/*
 * Prints a certificate's identity, by the same code that the handshake uses. With a configuration
 * its client CAs and revocation lists judge as they would there; without one only the profile of
 * the certificate itself is known.
 */
#include "tls_inspect.h"

#include <errno.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "crypto/bundle.h"
#include "gateway/config/config.h"
#include "gateway/node/log.h"
#include "gateway/tls/tls_verify.h"

enum {
	PIECE = 64 * 1024,
	/* Of TLS 1.3's Certificate message (RFC 8446, section 4.4.2): what goes before the list,
	 * and around each certificate. TLS 1.2 has less. */
	MESSAGE_BYTES = 4,
	ENTRY_BYTES = 5,
	DEFECT_MAX = 160,
};

/* Reads FILE into BYTES, which is empty, and makes PEM point there. */
static bool
read_pem(const char *file, struct buffer *bytes, struct pem *pem)
{
	FILE *in = fopen(file, "re");
	size_t n;

	if (in == NULL) {
		log_error("%s: %s", file, strerror(errno));
		return false;
	}
	do {
		n = fread(buffer_reserve(bytes, PIECE), 1, PIECE, in);
		buffer_commit(bytes, n);
	} while (n > 0);
	bool good = ferror(in) == 0;
	if (!good)
		log_error("%s: %s", file, strerror(errno));
	fclose(in);
	*pem = (struct pem){file, buffer_bytes(bytes), buffer_size(bytes)};
	return good;
}

/* The rules that the files of CONFIG make; NULL when they cannot be made, and it says why. */
static struct tls_verify *
rules_of(const struct config *config)
{
	char error[TLS_ERROR_MAX];
	struct buffer ca_bytes = {0}, crl_bytes = {0};
	struct pem ca, crl = {"crl", NULL, 0};
	struct tls_verify *rules = NULL;

	if (read_pem(config->tls.client_ca, &ca_bytes, &ca) &&
	    (config->tls.crl == NULL || read_pem(config->tls.crl, &crl_bytes, &crl))) {
		rules = tls_verify_new(&ca, &crl, error);
		if (rules == NULL)
			log_error("%s", error);
	}
	buffer_fini(&ca_bytes);
	buffer_fini(&crl_bytes);
	return rules;
}

/* NULL, or OWN, which is filled with what says that CHAIN is larger than a client may show. */
static const char *
judge_size(STACK_OF(X509) * chain, uint64_t most, char own[DEFECT_MAX])
{
	uint64_t size = MESSAGE_BYTES;

	for (int i = 0; i < sk_X509_num(chain); i++)
		size += ENTRY_BYTES + (uint64_t)i2d_X509(sk_X509_value(chain, i), NULL);
	if (size <= most)
		return NULL;
	snprintf(own, DEFECT_MAX,
	    "its %d certificates take %llu bytes in a handshake, and limits.client_certificates is "
	    "%llu",
	    sk_X509_num(chain), (unsigned long long)size, (unsigned long long)most);
	return own;
}

/* NULL, or why the client that shows CHAIN, leaf first, would be refused, which may be in OWN.
 * *KNOWN: there are rules.
 */
static const char *
judge(STACK_OF(X509) * chain, const char *config_file, struct identity *identity, bool *known,
    char own[DEFECT_MAX])
{
	X509 *leaf = sk_X509_value(chain, 0);
	struct problems *problems;

	*known = true;
	if (config_file == NULL)
		return identity_of(leaf, identity);
	problems = problems_new();
	struct config *config = config_load(config_file, true, problems);
	for (size_t i = 0; i < problems_count(problems); i++)
		log_error("%s", problems_text(problems, i));
	problems_free(problems);
	struct tls_verify *rules = config != NULL ? rules_of(config) : NULL;
	const char *defect = NULL;
	if (rules != NULL)
		defect = judge_size(chain, config->limits.client_certificates, own);
	if (rules != NULL && defect == NULL)
		defect = tls_verify_certificate(rules, leaf, chain, identity);
	*known = rules != NULL;
	tls_verify_free(rules);
	config_free(config);
	return defect;
}

int
tls_inspect_certificate(const char *file, const char *config_file)
{
	char error[PEM_ERROR_MAX], own[DEFECT_MAX];
	struct identity identity;
	struct buffer bytes = {0};
	struct pem pem;
	bool known;

	if (!read_pem(file, &bytes, &pem))
		return EXIT_FAILURE;
	STACK_OF(X509) *chain = bundle_read_certificates(&pem, error);
	buffer_fini(&bytes);
	if (chain == NULL) {
		log_error("%s: there is no PEM certificate that can be read", file);
		return EXIT_FAILURE;
	}
	const char *defect = judge(chain, config_file, &identity, &known, own);
	sk_X509_pop_free(chain, X509_free);
	if (!known)
		return EXIT_FAILURE;
	if (defect != NULL) {
		log_error("%s: refused: %s", file, defect);
		return EXIT_FAILURE;
	}
	puts(identity.subject);
	return EXIT_SUCCESS;
}
