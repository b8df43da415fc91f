/* Revocation lists as one text. Written anew from the lists in force, never copied from the file.
 */
#include "crl_text.h"

#include <assert.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "crypto/digest.h"

enum { TAG_SIZE = DIGEST_SHA256_SIZE + 2 };

struct crl_text {
	unsigned references;
	BIO *bio; /* holds the bytes */
	const char *bytes;
	size_t size;
	char tag[TAG_SIZE];
};

struct crl_text *
crl_text_new(STACK_OF(X509_CRL) * lists)
{
	struct crl_text *self = buffer_alloc(sizeof *self);
	char digest[DIGEST_SHA256_SIZE], *bytes = NULL;

	self->references = 1;
	self->bio = BIO_new(BIO_s_mem());
	if (self->bio == NULL)
		abort();
	for (int i = 0; i < sk_X509_CRL_num(lists); i++)
		if (PEM_write_bio_X509_CRL(self->bio, sk_X509_CRL_value(lists, i)) != 1)
			abort();
	self->size = (size_t)BIO_get_mem_data(self->bio, &bytes);
	self->bytes = bytes;
	digest_sha256_hex(self->bytes, self->size, digest);
	(void)snprintf(self->tag, sizeof self->tag, "\"%s\"", digest);
	return self;
}

struct crl_text *
crl_text_ref(struct crl_text *self)
{
	assert(self->references > 0);
	self->references++;
	return self;
}

void
crl_text_unref(struct crl_text *self)
{
	if (self == NULL)
		return;
	assert(self->references > 0);
	if (--self->references > 0)
		return;
	BIO_free(self->bio);
	free(self);
}

const char *
crl_text_bytes(const struct crl_text *self)
{
	return self->bytes;
}

size_t
crl_text_size(const struct crl_text *self)
{
	return self->size;
}

const char *
crl_text_tag(const struct crl_text *self)
{
	return self->tag;
}
