/*
 * Digests of bytes in memory or passing by, so that OpenSSL stays in the tls_* and identity files.
 */
#ifndef GATEWAY_TLS_DIGEST_H
#define GATEWAY_TLS_DIGEST_H

#include <stddef.h>

enum {
	TLS_DIGEST_SHA256_BYTES = 32,
	TLS_DIGEST_SHA512_BYTES = 64,
	TLS_DIGEST_SHA256_HEX = 65, /* 64 digits and the NUL */
};

/* The digest (FIPS 180-4) of LEN bytes. Cannot fail: aborts when OpenSSL has no such digest or no
 * memory. */
void tls_digest_sha256(
    const void *bytes, size_t len, unsigned char digest[TLS_DIGEST_SHA256_BYTES]);
void tls_digest_sha512(
    const void *bytes, size_t len, unsigned char digest[TLS_DIGEST_SHA512_BYTES]);

/* The same as lower-case hex. */
void tls_digest_sha256_hex(const void *bytes, size_t len, char hex[TLS_DIGEST_SHA256_HEX]);

/* The SHA-256 of bytes that come in pieces. */
struct tls_digest_stream;
struct tls_digest_stream *tls_digest_stream_new(void);
void tls_digest_stream_add(struct tls_digest_stream *self, const void *bytes, size_t len);
/* The digest of all that was added; nothing may be added afterwards. */
void tls_digest_stream_end(
    struct tls_digest_stream *self, unsigned char digest[TLS_DIGEST_SHA256_BYTES]);
void tls_digest_stream_free(struct tls_digest_stream *self);

#endif
