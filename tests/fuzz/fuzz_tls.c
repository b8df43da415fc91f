/*
 * The loaders of certificates, keys and revocation lists, given hostile files; and the rules that
 * come of them, held to what they must still refuse.
 *
 * The first byte says what the rest is: `a` the client CAs, `l` the CRLs, both as PEM, DER or
 * PKCS#7; `s` the server's certificate, `k` its key, in PEM. In upper case, DER to be wrapped as
 * PEM: `A` a client CA, `L` a CRL and `E` a client's certificate, these two issued anew by a CA of
 * ours, since with a broken signature nothing else of them is looked at.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "authority.h"
#include "fuzz.h"
#include "gateway/tls/tls_context.h"

static const char file_name[] = "hostile.pem";

static struct pem
pem_of(struct authority_text text)
{
	return (struct pem){file_name, text.bytes, text.len};
}

/* A refusal names the file and says something. */
static void
require_error(bool failed, const char error[TLS_ERROR_MAX])
{
	size_t len = strnlen(error, TLS_ERROR_MAX);

	FUZZ_REQUIRE(len < TLS_ERROR_MAX && failed == (len > 0));
	if (failed)
		FUZZ_REQUIRE(strncmp(error, "hostile.pem: ", 13) == 0 && len > 13);
}

static struct tls_verify *
load_rules(struct pem cas, struct pem crl)
{
	char error[TLS_ERROR_MAX] = "";
	struct tls_verify *rules = tls_verify_new(&cas, &crl, error);

	require_error(rules == NULL, error);
	return rules;
}

static const char *
verify(struct tls_verify *rules, X509 *leaf)
{
	struct identity identity;
	struct subject subject;
	const char *defect = tls_verify_certificate(rules, leaf, NULL, &identity);

	if (defect != NULL)
		return defect;
	FUZZ_REQUIRE(subject_parse(identity.subject, strlen(identity.subject), &subject) == NULL);
	FUZZ_REQUIRE(X509_check_ca(leaf) == 0);
	FUZZ_REQUIRE(X509_cmp_current_time(X509_get0_notAfter(leaf)) > 0);
	FUZZ_REQUIRE(X509_cmp_current_time(X509_get0_notBefore(leaf)) < 0);
	return NULL;
}

/* Whatever CAs load, a certificate of another CA is not theirs. */
static void
try_cas(struct authority_text text)
{
	struct tls_verify *rules = load_rules(pem_of(text), (struct pem){file_name, NULL, 0});

	if (rules == NULL)
		return;
	X509 *stranger = authority_client(NULL);
	FUZZ_REQUIRE(verify(rules, stranger) != NULL);
	X509_free(stranger);
	tls_verify_free(rules);
}

static struct tls_verify *
try_crl(struct authority_text text)
{
	struct tls_verify *rules = load_rules(pem_of(authority_files()->ca), pem_of(text));

	if (rules != NULL)
		FUZZ_REQUIRE(tls_crl_expires(tls_verify_crl(rules)) >= time(NULL) - 1);
	return rules;
}

/* What CRL revokes for good is refused. */
static void
require_revoked(struct tls_verify *rules, X509_CRL *crl)
{
	STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(crl);
	X509_REVOKED *entry;

	if (sk_X509_REVOKED_num(list) < 1)
		return;
	const ASN1_INTEGER *serial = X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(list, 0));
	X509 *leaf = authority_client(serial);
	if (X509_CRL_get0_by_cert(crl, &entry, leaf) == 1)
		FUZZ_REQUIRE(verify(rules, leaf) != NULL);
	X509_free(leaf);
}

static void
try_forged_crl(const uint8_t *der, size_t len)
{
	X509_CRL *decoded = d2i_X509_CRL(NULL, &der, (long)len);
	X509_CRL *crl = decoded != NULL ? authority_reissue_crl(decoded) : NULL;
	unsigned char *encoded = NULL;

	X509_CRL_free(decoded);
	if (crl == NULL)
		return;
	int encoded_len = i2d_X509_CRL(crl, &encoded);
	FUZZ_REQUIRE(encoded_len > 0);
	struct authority_text text = authority_pem("X509 CRL", encoded, (size_t)encoded_len);
	struct tls_verify *rules = try_crl(text);
	if (rules != NULL)
		require_revoked(rules, crl);
	tls_verify_free(rules);
	free(text.bytes);
	OPENSSL_free(encoded);
	X509_CRL_free(crl);
}

static void
try_forged_client(const uint8_t *der, size_t len)
{
	static struct tls_verify *rules;
	X509 *decoded = d2i_X509(NULL, &der, (long)len);
	X509 *leaf = decoded != NULL ? authority_reissue(decoded) : NULL;

	X509_free(decoded);
	if (leaf == NULL)
		return;
	if (rules == NULL)
		rules = load_rules(pem_of(authority_files()->ca), pem_of(authority_files()->crl));
	(void)verify(rules, leaf);
	X509_free(leaf);
}

/* A server's certificate and key; one of them is hostile. */
static void
try_server(struct authority_text certificate, struct authority_text key)
{
	static const struct tls_options options = {.session_lifetime = 3600};
	char error[TLS_ERROR_MAX] = "";
	struct tls_material material = {
	    .certificate = pem_of(certificate),
	    .key = pem_of(key),
	    .client_ca = pem_of(authority_files()->ca),
	    .crl = pem_of(authority_files()->crl),
	};
	struct tls_context *context = tls_context_new(&material, &options, error);

	require_error(context == NULL, error);
	tls_context_unref(context);
}

static void
try_text(char kind, struct authority_text text)
{
	const struct authority_files *files = authority_files();

	switch (kind) {
	case 'a':
		try_cas(text);
		break;
	case 'l':
		tls_verify_free(try_crl(text));
		break;
	case 's':
		try_server(text, files->key);
		break;
	case 'k':
		try_server(files->certificate, text);
		break;
	default:
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	char kind = (char)data[0];
	struct authority_text text;

	if (kind == 'L') {
		try_forged_crl(data + 1, size - 1);
	} else if (kind == 'E') {
		try_forged_client(data + 1, size - 1);
	} else if (kind == 'A') {
		text = authority_pem("CERTIFICATE", data + 1, size - 1);
		try_cas(text);
		free(text.bytes);
	} else {
		text = (struct authority_text){fuzz_copy(data + 1, size - 1), size - 1};
		try_text(kind, text);
		free(text.bytes);
	}
	ERR_clear_error();
	return 0;
}
