/*
 * Digests of bytes in memory, so that OpenSSL stays in the tls_* and identity files.
 */
#ifndef GATEWAY_TLS_DIGEST_H
#define GATEWAY_TLS_DIGEST_H

#include <stddef.h>

enum { TLS_DIGEST_SHA256_HEX = 65 }; /* 64 digits and the NUL */

/* Writes the SHA-256 (FIPS 180-4) of LEN bytes as lower-case hex. Cannot fail: aborts when
 * OpenSSL has no SHA-256 or no memory. */
void tls_digest_sha256_hex(const void *bytes, size_t len, char hex[TLS_DIGEST_SHA256_HEX]);

#endif
