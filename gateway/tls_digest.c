/*
 * Digests of bytes in memory.
 *
 * One call of OpenSSL's EVP interface; what needs care is only that a failure never leaves a
 * half-made digest behind, so there is none: it aborts.
 */
#include "tls_digest.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>

enum { SHA256_BYTES = 32 };

static_assert(TLS_DIGEST_SHA256_HEX == 2 * SHA256_BYTES + 1, "two digits a byte and a NUL");

void
tls_digest_sha256_hex(const void *bytes, size_t len, char hex[TLS_DIGEST_SHA256_HEX])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned digest_len = 0;

	if (EVP_Digest(bytes, len, digest, &digest_len, EVP_sha256(), NULL) != 1 ||
	    digest_len != SHA256_BYTES)
		abort();
	for (size_t i = 0; i < SHA256_BYTES; i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 0xf];
	}
	hex[2 * SHA256_BYTES] = '\0';
}
