/*
 * The rehearsal. The hard part is a certificate of a CA whose key is not here: it is signed by
 * another key of the same type, and that this signature is wrong is the one thing that is forgiven.
 */
#include "tls_rehearsal.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "identity.h"
#include "tls_remedy.h"

enum { HOUR = 60 * 60, RSA_BITS = 1024 };

/* A key that can sign as CA's would; NULL: CA's is of no type that we know. */
static EVP_PKEY *
key_like(X509 *ca)
{
	const EVP_PKEY *key = X509_get0_pubkey(ca);

	switch (key != NULL ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE) {
	case EVP_PKEY_RSA:
		return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)RSA_BITS);
	case EVP_PKEY_RSA_PSS:
		return EVP_PKEY_Q_keygen(NULL, NULL, "RSA-PSS", (size_t)RSA_BITS);
	case EVP_PKEY_EC:
		return EVP_EC_gen("P-256");
	case EVP_PKEY_ED25519:
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	default:
		return NULL;
	}
}

/* False: CA has nothing to make it of. */
static bool
add_extension(X509 *certificate, X509 *ca, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, ca, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
	if (extension != NULL && X509_add_ext(certificate, extension, -1) != 1)
		abort();
	X509_EXTENSION_free(extension);
	return extension != NULL;
}

/* NULL: the key identifier of CA is none that a client's certificate could name. */
static X509 *
new_client(X509 *ca, EVP_PKEY *signer)
{
	X509 *client = X509_new();
	EVP_PKEY *own = EVP_EC_gen("P-256");

	if (client == NULL || own == NULL || X509_set_version(client, X509_VERSION_3) != 1 ||
	    ASN1_INTEGER_set_int64(X509_get_serialNumber(client), 1) != 1 ||
	    X509_set_issuer_name(client, X509_get_subject_name(ca)) != 1 ||
	    X509_NAME_add_entry_by_txt(X509_get_subject_name(client), "CN", MBSTRING_ASC,
	        (const unsigned char *)"rehearsal", -1, -1, 0) != 1 ||
	    X509_gmtime_adj(X509_getm_notBefore(client), -HOUR) == NULL ||
	    X509_gmtime_adj(X509_getm_notAfter(client), HOUR) == NULL ||
	    X509_set_pubkey(client, own) != 1 ||
	    !add_extension(client, ca, NID_basic_constraints, "critical,CA:FALSE") ||
	    !add_extension(client, ca, NID_key_usage, "critical,digitalSignature") ||
	    !add_extension(client, ca, NID_ext_key_usage, "clientAuth"))
		abort();
	EVP_PKEY_free(own);
	if (X509_get0_subject_key_id(ca) != NULL &&
	    !add_extension(client, ca, NID_authority_key_identifier, "keyid:always")) {
		X509_free(client);
		return NULL;
	}
	bool ed25519 = EVP_PKEY_get_base_id(signer) == EVP_PKEY_ED25519;
	if (X509_sign(client, signer, ed25519 ? NULL : EVP_sha256()) == 0)
		abort();
	return client;
}

struct rehearsal {
	tls_rehearsal_judge_fn *judge;
	const struct tls_verify *rules;
	const char *defect;
};

/* What a client of one's own would be free of, or may have against itself. */
static bool
is_forgiven(X509_STORE_CTX *ctx)
{
	bool is_leaf = X509_STORE_CTX_get_error_depth(ctx) == 0;

	switch (X509_STORE_CTX_get_error(ctx)) {
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
	case X509_V_ERR_PERMITTED_VIOLATION:
	case X509_V_ERR_EXCLUDED_VIOLATION:
		return is_leaf;
	case X509_V_ERR_CERT_REVOKED:
		return true;
	default:
		return false;
	}
}

static int
on_verify(int good, X509_STORE_CTX *ctx)
{
	struct rehearsal *self = X509_STORE_CTX_get_app_data(ctx);
	struct identity identity;

	if (good == 0 && is_forgiven(ctx)) {
		X509_STORE_CTX_set_error(ctx, X509_V_OK);
		return 1;
	}
	self->defect = self->judge(self->rules, good != 0, ctx, &identity);
	return self->defect == NULL;
}

const char *
tls_rehearsal(
    tls_rehearsal_judge_fn *judge, const struct tls_verify *rules, X509_STORE *store, X509 *ca)
{
	struct rehearsal rehearsal = {judge, rules, NULL};
	EVP_PKEY *signer = key_like(ca);

	if (signer == NULL) {
		ERR_clear_error();
		return "its key is neither RSA, EC nor Ed25519";
	}
	X509 *client = new_client(ca, signer);
	if (client == NULL) {
		EVP_PKEY_free(signer);
		ERR_clear_error();
		return "its subject key identifier is empty or damaged: renew it with another";
	}
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	if (ctx == NULL || X509_STORE_CTX_init(ctx, store, client, NULL) != 1)
		abort();
	X509_STORE_CTX_set_default(ctx, "ssl_client");
	X509_STORE_CTX_set_app_data(ctx, &rehearsal);
	X509_STORE_CTX_set_verify_cb(ctx, on_verify);
	if (X509_verify_cert(ctx) != 1 && rehearsal.defect == NULL)
		rehearsal.defect = tls_remedy(X509_STORE_CTX_get_error(ctx));
	X509_STORE_CTX_free(ctx);
	X509_free(client);
	EVP_PKEY_free(signer);
	ERR_clear_error();
	return rehearsal.defect;
}
