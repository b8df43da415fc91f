/* Digests through OpenSSL's EVP interface. What needs care is only that a failure never leaves a
 * half-made digest behind, so there is none: it aborts. */
#include "digest.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"

enum { PIECE = 128 * 1024 };

static_assert(DIGEST_SHA256_SIZE == 2 * DIGEST_SHA256_BYTES + 1, "two digits a byte and a NUL");

static void
must(int done)
{
	if (done != 1)
		abort();
}

static void
print_hex(const unsigned char *bytes, size_t len, char *text)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 0xf];
	}
	text[2 * len] = '\0';
}

/* ---- in memory ---------------------------------------------------------------------------- */

static void
digest_of(const EVP_MD *algorithm, const void *bytes, size_t len, unsigned char *digest, size_t n)
{
	unsigned char made[EVP_MAX_MD_SIZE];
	unsigned made_len = 0;

	must(EVP_Digest(bytes, len, made, &made_len, algorithm, NULL));
	must(made_len == n);
	memcpy(digest, made, n);
}

void
digest_sha256(const void *bytes, size_t len, unsigned char digest[DIGEST_SHA256_BYTES])
{
	digest_of(EVP_sha256(), bytes, len, digest, DIGEST_SHA256_BYTES);
}

void
digest_sha512(const void *bytes, size_t len, unsigned char digest[DIGEST_SHA512_BYTES])
{
	digest_of(EVP_sha512(), bytes, len, digest, DIGEST_SHA512_BYTES);
}

void
digest_sha256_hex(const void *bytes, size_t len, char hex[DIGEST_SHA256_SIZE])
{
	unsigned char digest[DIGEST_SHA256_BYTES];

	digest_sha256(bytes, len, digest);
	print_hex(digest, sizeof digest, hex);
}

void
digest_base64(const char *sha256, char text[DIGEST_BASE64_SIZE])
{
	unsigned char bytes[DIGEST_SHA256_BYTES];
	size_t len = 0;

	must(OPENSSL_hexstr2buf_ex(bytes, sizeof bytes, &len, sha256, '\0'));
	must(len == sizeof bytes);
	EVP_EncodeBlock((unsigned char *)text, bytes, (int)len);
}

/* ---- in pieces ---------------------------------------------------------------------------- */

static EVP_MD_CTX *
start(const EVP_MD *algorithm)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	must(context != NULL);
	must(EVP_DigestInit_ex(context, algorithm, NULL));
	return context;
}

/* Never complete: it is OpenSSL's structure under another name. */
static EVP_MD_CTX *
context_of(struct digest_stream *self)
{
	return (EVP_MD_CTX *)self;
}

struct digest_stream *
digest_stream_new(void)
{
	return (struct digest_stream *)start(EVP_sha256());
}

void
digest_stream_add(struct digest_stream *self, const void *bytes, size_t len)
{
	must(EVP_DigestUpdate(context_of(self), bytes, len));
}

void
digest_stream_end(struct digest_stream *self, unsigned char digest[DIGEST_SHA256_BYTES])
{
	must(EVP_DigestFinal_ex(context_of(self), digest, NULL));
}

void
digest_stream_free(struct digest_stream *self)
{
	EVP_MD_CTX_free(context_of(self));
}

/* ---- of a file ---------------------------------------------------------------------------- */

struct digest_run {
	EVP_MD_CTX *sha1, *sha256;
	uint64_t size;
};

struct digest_run *
digest_run_new(void)
{
	struct digest_run *self = buffer_alloc(sizeof *self);

	self->sha1 = start(EVP_sha1());
	self->sha256 = start(EVP_sha256());
	return self;
}

void
digest_run_add(struct digest_run *self, const void *bytes, size_t len)
{
	must(EVP_DigestUpdate(self->sha1, bytes, len));
	must(EVP_DigestUpdate(self->sha256, bytes, len));
	self->size += len;
}

static void
finish(EVP_MD_CTX *context, char *text)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	must(EVP_DigestFinal_ex(context, bytes, &len));
	print_hex(bytes, len, text);
}

void
digest_run_finish(struct digest_run *self, struct digest *digest)
{
	digest->size = self->size;
	finish(self->sha1, digest->sha1);
	finish(self->sha256, digest->sha256);
}

void
digest_run_free(struct digest_run *self)
{
	if (self == NULL)
		return;
	EVP_MD_CTX_free(self->sha1);
	EVP_MD_CTX_free(self->sha256);
	free(self);
}

bool
digest_of_file(int fd, struct digest *digest)
{
	struct digest_run *run = digest_run_new();
	char *piece = buffer_alloc(PIECE);
	ssize_t n;

	do {
		n = read(fd, piece, PIECE);
		if (n > 0)
			digest_run_add(run, piece, (size_t)n);
	} while (n > 0 || (n < 0 && errno == EINTR));
	int saved = errno;
	digest_run_finish(run, digest);
	digest_run_free(run);
	free(piece);
	errno = saved;
	return n == 0;
}

bool
digest_is(const struct digest *actual, const struct digest *wanted)
{
	return actual->size == wanted->size && strcmp(actual->sha1, wanted->sha1) == 0 &&
	       (wanted->sha256[0] == '\0' || strcmp(actual->sha256, wanted->sha256) == 0);
}
