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

#include "catalogue/catalogue.h"
#include "client/common/file.h"
#include "client/common/revocation.h"
#include "client/common/signed_time.h"
#include "crypto/signature.h"

enum { PEM_MAX = 64 * 1024 };

static char *
signature_name_of(const char *name)
{
	return buffer_text("%s" SIGNED_SUFFIX, name);
}

static struct pem
pem_of(const char *name, const struct buffer *bytes)
{
	return (struct pem){
	    name, bytes->data != NULL ? buffer_bytes(bytes) : "", buffer_size(bytes)};
}

/* Reads the PEM file NAME into BYTES; PEM stands for them afterwards. */
static bool
read_pem(const char *name, struct buffer *bytes, struct pem *pem, struct failure *failure)
{
	if (!file_read(name, PEM_MAX, bytes, failure)) {
		failure->kind = FAILURE_CONFIGURATION;
		return false;
	}
	*pem = pem_of(name, bytes);
	return true;
}

static const STACK_OF(X509_CRL) * lists_in_use(void)
{
	const struct crl_set *set = revocation_in_use();

	return set != NULL ? crl_set_lists(set) : NULL;
}

bool
signed_verify(const struct signed_text *self, const char *signer_file, const char *name,
    struct failure *failure)
{
	char error[PEM_ERROR_MAX], *signature_name = signature_name_of(name);
	struct buffer bytes = {0};
	struct signer signer = {.lists = lists_in_use(), .now = signed_time_now()};
	const struct pem signature = pem_of(signature_name, &self->signature);
	bool good = read_pem(signer_file, &bytes, &signer.pem, failure);

	if (good && !signature_verify(&signer, &signature, pem_of(name, &self->text).bytes,
	                buffer_size(&self->text), error))
		good = failure_set(failure, FAILURE_CATALOGUE, "%s", error) ||
		       (signer_is_out_of_date(&signer) && signed_time_blame(failure));
	if (good)
		signed_time_see(signature_time(&signature));
	buffer_fini(&bytes);
	free(signature_name);
	return good;
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
	            signed_verify(self, signer, path, failure);
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
	    signed_verify(self, signer, name, failure);
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

static bool
sign(const struct buffer *text, const char *certificate_file, const char *key_file,
    struct buffer *signature, struct failure *failure)
{
	char error[PEM_ERROR_MAX];
	struct buffer certificate_bytes = {0}, key_bytes = {0};
	struct signer certificate = {.lists = lists_in_use()};
	struct pem key;
	bool done = read_pem(certificate_file, &certificate_bytes, &certificate.pem, failure) &&
	            read_pem(key_file, &key_bytes, &key, failure);

	if (done && !signature_make(&certificate, &key, buffer_bytes(text), buffer_size(text),
	                signature, error))
		done = failure_set(failure, FAILURE_CONFIGURATION, "%s", error);
	if (key_bytes.data != NULL)
		explicit_bzero(key_bytes.data, key_bytes.end);
	buffer_fini(&certificate_bytes);
	buffer_fini(&key_bytes);
	return done;
}

bool
signed_write(const char *name, const struct buffer *text, const char *certificate, const char *key,
    struct failure *failure)
{
	char *signature_name = signature_name_of(name);
	char *key_name = key_of(certificate, key);
	struct buffer signature = {0};

	bool done = sign(text, certificate, key_name, &signature, failure) &&
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
