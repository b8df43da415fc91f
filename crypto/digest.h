/*
 * Digests (FIPS 180-4) of bytes in memory, passing by or in a file.
 *
 * None of it can fail: where OpenSSL has no such digest or no memory, nothing can be judged at all,
 * and that ends the program.
 */
#ifndef CRYPTO_DIGEST_H
#define CRYPTO_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DIGEST_SHA256_BYTES = 32,
	DIGEST_SHA512_BYTES = 64,
	DIGEST_SHA1_SIZE = 41,   /* lower-case hexadecimal digits and NUL */
	DIGEST_SHA256_SIZE = 65, /* the same */
	DIGEST_BASE64_SIZE = 45, /* a SHA-256 in Base64, padded, and NUL */
};

/* ---- of bytes in memory ---- */

void digest_sha256(const void *bytes, size_t len, unsigned char digest[DIGEST_SHA256_BYTES]);
void digest_sha512(const void *bytes, size_t len, unsigned char digest[DIGEST_SHA512_BYTES]);
void digest_sha256_hex(const void *bytes, size_t len, char hex[DIGEST_SHA256_SIZE]);

/* The Base64 of the SHA-256 that is given in hexadecimal digits. */
void digest_base64(const char *sha256, char text[DIGEST_BASE64_SIZE]);

/* ---- the SHA-256 of bytes that come in pieces ---- */

struct digest_stream;
struct digest_stream *digest_stream_new(void);
void digest_stream_add(struct digest_stream *self, const void *bytes, size_t len);
/* The digest of all that was added; nothing may be added afterwards. */
void digest_stream_end(struct digest_stream *self, unsigned char digest[DIGEST_SHA256_BYTES]);
void digest_stream_free(struct digest_stream *self);

/* ---- of a file ---- */

/* What identifies a file. SHA-256 decides; SHA-1 is there for catalogues of older tools, which have
 * nothing else: sha256 is "" then. */
struct digest {
	uint64_t size;
	char sha1[DIGEST_SHA1_SIZE], sha256[DIGEST_SHA256_SIZE];
};

/* All three of bytes that come in pieces. */
struct digest_run;
struct digest_run *digest_run_new(void);
void digest_run_add(struct digest_run *self, const void *bytes, size_t len);
/* Ends the run, which must not be used again but to be freed. */
void digest_run_finish(struct digest_run *self, struct digest *digest);
void digest_run_free(struct digest_run *self);

/* Reads FD from where it is to its end; false, with errno set, when it cannot be read. */
bool digest_of_file(int fd, struct digest *digest);

/* True when ACTUAL, which was computed, is what WANTED says: the size, SHA-256 and SHA-1; a WANTED
 * of SHA-1 alone is content with that. */
bool digest_is(const struct digest *actual, const struct digest *wanted);

#endif
