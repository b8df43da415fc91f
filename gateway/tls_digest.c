/*
 * Digests of bytes in memory or passing by.
 *
 * OpenSSL's EVP interface; what needs care is only that a failure never leaves a
 * half-made digest behind, so there is none: it aborts.
 */
#include "tls_digest.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static_assert(
    TLS_DIGEST_SHA256_HEX == 2 * TLS_DIGEST_SHA256_BYTES + 1, "two digits a byte and a NUL");

static void
digest_of(const EVP_MD *algorithm, const void *bytes, size_t len, unsigned char *digest, size_t n)
{
	unsigned char made[EVP_MAX_MD_SIZE];
	unsigned made_len = 0;

	if (EVP_Digest(bytes, len, made, &made_len, algorithm, NULL) != 1 || made_len != n)
		abort();
	memcpy(digest, made, n);
}

void
tls_digest_sha256(const void *bytes, size_t len, unsigned char digest[TLS_DIGEST_SHA256_BYTES])
{
	digest_of(EVP_sha256(), bytes, len, digest, TLS_DIGEST_SHA256_BYTES);
}

void
tls_digest_sha512(const void *bytes, size_t len, unsigned char digest[TLS_DIGEST_SHA512_BYTES])
{
	digest_of(EVP_sha512(), bytes, len, digest, TLS_DIGEST_SHA512_BYTES);
}

void
tls_digest_sha256_hex(const void *bytes, size_t len, char hex[TLS_DIGEST_SHA256_HEX])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char digest[TLS_DIGEST_SHA256_BYTES];

	tls_digest_sha256(bytes, len, digest);
	for (size_t i = 0; i < sizeof digest; i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 0xf];
	}
	hex[2 * sizeof digest] = '\0';
}

/* Never complete: it is OpenSSL's structure under another name. */
static EVP_MD_CTX *
context_of(struct tls_digest_stream *self)
{
	return (EVP_MD_CTX *)self;
}

struct tls_digest_stream *
tls_digest_stream_new(void)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	if (context == NULL || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
		abort();
	return (struct tls_digest_stream *)context;
}

void
tls_digest_stream_add(struct tls_digest_stream *self, const void *bytes, size_t len)
{
	if (EVP_DigestUpdate(context_of(self), bytes, len) != 1)
		abort();
}

void
tls_digest_stream_end(struct tls_digest_stream *self, unsigned char digest[TLS_DIGEST_SHA256_BYTES])
{
	if (EVP_DigestFinal_ex(context_of(self), digest, NULL) != 1)
		abort();
}

void
tls_digest_stream_free(struct tls_digest_stream *self)
{
	EVP_MD_CTX_free(context_of(self));
}
