/* Signatures of lines. The one hard part: a key in the hands of several workers must be good before
 * any of them has a line to sign, for then there is nobody to tell. */
#include "line_signer.h"

#include <assert.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pem.h"

enum { SIGNATURE_BYTES = 64, DECODED_MAX = 66, KEYS_MAX = 64 };

static_assert((int)LINE_SIGNER_ERROR_MAX == (int)PEM_ERROR_MAX, "messages fit");

struct line_signer {
	EVP_PKEY *key;
};

struct line_signer_keys {
	EVP_PKEY *keys[KEYS_MAX];
	size_t count;
};

struct line_signer *
line_signer_new(const char *name, const char *bytes, size_t len, char error[LINE_SIGNER_ERROR_MAX])
{
	const struct pem pem = {name, bytes, len};
	EVP_PKEY *key = pem_read_key(&pem, error);

	if (key == NULL)
		return NULL;
	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519) {
		pem_fail(
		    error, name, "the key is not Ed25519 (openssl genpkey -algorithm ed25519)");
		EVP_PKEY_free(key);
		return NULL;
	}
	struct line_signer *self = malloc(sizeof *self);
	if (self == NULL)
		abort();
	self->key = key;
	return self;
}

void
line_signer_free(struct line_signer *self)
{
	if (self == NULL)
		return;
	EVP_PKEY_free(self->key);
	free(self);
}

bool
line_signer_is_same(const struct line_signer *a, const struct line_signer *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return EVP_PKEY_eq(a->key, b->key) == 1;
}

void
line_signer_sign(const struct line_signer *self, const char *text, size_t len,
    char signature[LINE_SIGNATURE_SIZE])
{
	unsigned char bytes[SIGNATURE_BYTES];
	size_t size = sizeof bytes;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx == NULL || EVP_DigestSignInit(ctx, NULL, NULL, NULL, self->key) != 1 ||
	    EVP_DigestSign(ctx, bytes, &size, (const unsigned char *)text, len) != 1)
		abort();
	assert(size == sizeof bytes);
	EVP_MD_CTX_free(ctx);
	(void)EVP_EncodeBlock((unsigned char *)signature, bytes, sizeof bytes);
}

struct line_signer_keys *
line_signer_keys_new(
    const char *name, const char *bytes, size_t len, char error[LINE_SIGNER_ERROR_MAX])
{
	struct line_signer_keys *self = calloc(1, sizeof *self);
	BIO *bio = len <= INT_MAX ? BIO_new_mem_buf(bytes, (int)len) : NULL;
	EVP_PKEY *key;

	if (self == NULL || bio == NULL)
		abort();
	while (self->count < KEYS_MAX && (key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL)) != NULL)
		self->keys[self->count++] = key;
	BIO_free(bio);
	ERR_clear_error();
	for (size_t i = 0; i < self->count; i++) {
		if (EVP_PKEY_get_base_id(self->keys[i]) == EVP_PKEY_ED25519)
			continue;
		pem_fail(error, name, "a public key is not Ed25519");
		line_signer_keys_free(self);
		return NULL;
	}
	if (self->count > 0)
		return self;
	pem_fail(error, name, "there is no public key in it (openssl pkey -pubout)");
	line_signer_keys_free(self);
	return NULL;
}

void
line_signer_keys_free(struct line_signer_keys *self)
{
	if (self == NULL)
		return;
	for (size_t i = 0; i < self->count; i++)
		EVP_PKEY_free(self->keys[i]);
	free(self);
}

bool
line_signer_verify(const struct line_signer_keys *self, const char *text, size_t len,
    const char signature[LINE_SIGNATURE_SIZE])
{
	unsigned char bytes[DECODED_MAX];
	bool accepted = false;

	if (EVP_DecodeBlock(bytes, (const unsigned char *)signature, LINE_SIGNATURE_SIZE - 1) !=
	    DECODED_MAX)
		return false;
	for (size_t i = 0; i < self->count && !accepted; i++) {
		EVP_MD_CTX *ctx = EVP_MD_CTX_new();
		if (ctx == NULL)
			abort();
		accepted = EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, self->keys[i]) == 1 &&
		           EVP_DigestVerify(
		               ctx, bytes, SIGNATURE_BYTES, (const unsigned char *)text, len) == 1;
		EVP_MD_CTX_free(ctx);
	}
	ERR_clear_error();
	return accepted;
}
