/* Two digests over the same bytes. What OpenSSL refuses here it can only refuse for want of memory
 * or of the algorithm, and then no file can be judged at all: that ends the program. */
#include "digest.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../policy/buffer.h"

enum {
	PIECE = 128 * 1024,
	SHA256_BYTES = 32,
};

struct digest_run {
	EVP_MD_CTX *sha1, *sha256;
	uint64_t size;
};

static void
must(int done)
{
	if (done != 1)
		abort();
}

static EVP_MD_CTX *
start(const EVP_MD *algorithm)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	must(EVP_DigestInit_ex(context, algorithm, NULL));
	return context;
}

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
	for (unsigned i = 0; i < len; i++)
		snprintf(text + (size_t)i * 2, 3, "%02x", bytes[i]);
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

void
digest_base64(const char *sha256, char text[DIGEST_BASE64_SIZE])
{
	unsigned char bytes[SHA256_BYTES];
	size_t len = 0;

	must(OPENSSL_hexstr2buf_ex(bytes, sizeof bytes, &len, sha256, '\0'));
	must(len == sizeof bytes);
	EVP_EncodeBlock((unsigned char *)text, bytes, (int)len);
}
