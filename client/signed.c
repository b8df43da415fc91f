/*
 * Signed texts.
 *
 * The hard part is that text and signature are two files, which a server may be replacing just now:
 * a pair that does not fit is asked for once more before it is refused.
 */
#include "signed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../policy/catalogue.h"
#include "file.h"
#include "signature.h"

static char *
signature_name_of(const char *name)
{
	return buffer_text("%s" SIGNED_SUFFIX, name);
}

static bool
get_once(struct signed_text *self, const char *path, size_t max, const char *signer,
    struct https *https, struct failure *failure)
{
	char *signature_path = signature_name_of(path);

	signed_fini(self);
	bool done = https_get(https, path, max, &self->text, failure) &&
	            https_get(https, signature_path, CATALOGUE_SIGNATURE_MAX_BYTES,
	                &self->signature, failure) &&
	            signature_verify(&self->text, &self->signature, signer, path, failure);
	free(signature_path);
	return done;
}

bool
signed_get(struct signed_text *self, const char *path, size_t max, const char *signer,
    struct https *https, struct failure *failure)
{
	return get_once(self, path, max, signer, https, failure) ||
	       (failure->kind == FAILURE_CATALOGUE &&
	           get_once(self, path, max, signer, https, failure));
}

bool
signed_load(struct signed_text *self, const char *name, size_t max, const char *signer,
    struct failure *failure)
{
	char *signature_name = signature_name_of(name);

	bool done =
	    file_read(name, max, &self->text, failure) &&
	    file_read(signature_name, CATALOGUE_SIGNATURE_MAX_BYTES, &self->signature, failure) &&
	    signature_verify(&self->text, &self->signature, signer, name, failure);
	free(signature_name);
	return done;
}

/* The name of the private key's file. The caller frees it. */
static char *
key_of(const char *certificate, const char *key)
{
	size_t len = strlen(certificate);
	char *name = NULL;

	if (key != NULL)
		return buffer_strdup(key);
	if (len > 4 && strcmp(certificate + len - 4, ".crt") == 0)
		len -= 4;
	name = buffer_text("%.*s.key", (int)len, certificate);
	return name;
}

bool
signed_write(const char *name, const struct buffer *text, const char *certificate, const char *key,
    struct failure *failure)
{
	char *signature_name = signature_name_of(name);
	char *key_name = key_of(certificate, key);
	struct buffer signature = {0};

	bool done = signature_make(text, certificate, key_name, &signature, failure) &&
	            file_write(name, text, failure) &&
	            file_write(signature_name, &signature, failure);
	buffer_fini(&signature);
	free(key_name);
	free(signature_name);
	return done;
}

static bool
is_same(const struct buffer *a, const struct buffer *b)
{
	size_t len = buffer_size(a);

	return buffer_size(b) == len &&
	       (len == 0 || memcmp(buffer_bytes(a), buffer_bytes(b), len) == 0);
}

bool
signed_is_same(const struct signed_text *a, const struct signed_text *b)
{
	return is_same(&a->text, &b->text) && is_same(&a->signature, &b->signature);
}

bool
signed_is_alike(const struct signed_text *a, const struct signed_text *b)
{
	return is_same(&a->text, &b->text) || is_same(&a->signature, &b->signature);
}

void
signed_fini(struct signed_text *self)
{
	buffer_fini(&self->text);
	buffer_fini(&self->signature);
}
