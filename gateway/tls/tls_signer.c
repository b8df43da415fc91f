/* The key that signs. The one hard part is to do it by the scheme that was asked for, whole: a
 * scheme that is not this key's, or not for this content, is refused. */
#include "tls_signer.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

struct tls_signer {
	EVP_PKEY *key;
	unsigned char name[TLS_SIGNING_KEY_BYTES];
	EVP_PKEY_CTX *prepared[TLS_SIGNING_SCHEMES]; /* NULL: not yet, or it has its own digest */
};

struct tls_signer *
tls_signer_new(const struct pem *file, char error[PEM_ERROR_MAX])
{
	struct tls_signer *self = buffer_alloc(sizeof *self);

	self->key = pem_read_key(file, error);
	if (self->key != NULL && tls_signing_key_name(self->key, self->name))
		return self;
	if (self->key != NULL)
		pem_fail(error, file->name, "the private key is of no type that TLS knows");
	tls_signer_free(self);
	return NULL;
}

void
tls_signer_free(struct tls_signer *self)
{
	if (self == NULL)
		return;
	for (unsigned i = 0; i < TLS_SIGNING_SCHEMES; i++)
		EVP_PKEY_CTX_free(self->prepared[i]);
	EVP_PKEY_free(self->key);
	free(self);
}

const unsigned char *
tls_signer_name(const struct tls_signer *self)
{
	return self->name;
}

/* What signs digests by SCHEME, made once, for that takes longer than many an elliptic curve. */
static EVP_PKEY_CTX *
prepare(struct tls_signer *self, const struct tls_signing_scheme *scheme, const EVP_MD *digest)
{
	EVP_PKEY_CTX **place = &self->prepared[tls_signing_scheme_index(scheme)];
	const bool is_rsa = !EVP_PKEY_is_a(self->key, "EC");

	if (*place != NULL)
		return *place;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(self->key, NULL);
	if (ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
	    (!is_rsa || EVP_PKEY_CTX_set_rsa_padding(ctx,
	                    scheme->is_pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) == 1) &&
	    EVP_PKEY_CTX_set_signature_md(ctx, digest) == 1 &&
	    (!scheme->is_pss || EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1))
		return *place = ctx;
	EVP_PKEY_CTX_free(ctx);
	return NULL;
}

static bool
sign_digest(struct tls_signer *self, const struct tls_signing_scheme *scheme,
    const struct tls_signing_request *request, unsigned char *signature, size_t *len)
{
	const EVP_MD *md = EVP_get_digestbyname(scheme->digest);
	EVP_PKEY_CTX *ctx = md != NULL ? prepare(self, scheme, md) : NULL;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned digest_len;

	return ctx != NULL &&
	       EVP_Digest(request->content, request->len, digest, &digest_len, md, NULL) == 1 &&
	       EVP_PKEY_sign(ctx, signature, len, digest, digest_len) == 1;
}

static bool
sign_whole(const struct tls_signer *self, const struct tls_signing_request *request,
    unsigned char *signature, size_t *len)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool good = md != NULL &&
	            EVP_DigestSignInit_ex(md, NULL, NULL, NULL, NULL, self->key, NULL) == 1 &&
	            EVP_DigestSign(md, signature, len, request->content, request->len) == 1;

	EVP_MD_CTX_free(md);
	return good;
}

static bool
sign(struct tls_signer *self, const struct tls_signing_scheme *scheme,
    const struct tls_signing_request *request, struct tls_signing_answer *answer)
{
	size_t len = sizeof answer->signature;

	ERR_clear_error();
	bool good = scheme->digest != NULL
	                ? sign_digest(self, scheme, request, answer->signature, &len)
	                : sign_whole(self, request, answer->signature, &len);
	ERR_clear_error();
	answer->len = good ? (uint16_t)len : 0;
	return good;
}

void
tls_signer_answer(struct tls_signer *self, const struct tls_signing_request *request,
    struct tls_signing_answer *answer)
{
	const struct tls_signing_scheme *scheme = tls_signing_scheme_of(request->scheme);

	assert(request->len <= TLS_SIGNING_CONTENT_MAX);
	answer->id = request->id;
	answer->len = 0;
	answer->result = TLS_SIGNING_REFUSED;
	if (scheme != NULL && EVP_PKEY_is_a(self->key, scheme->key) &&
	    memcmp(self->name, request->key, sizeof self->name) == 0 &&
	    tls_signing_is_of_server(scheme, request->content, request->len) &&
	    sign(self, scheme, request, answer))
		answer->result = TLS_SIGNING_DONE;
}
