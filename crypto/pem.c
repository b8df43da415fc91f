/* PEM through OpenSSL. The hard part: OpenSSL asks at the terminal for the passphrase of an
 * encrypted key, unless it is kept from it. */
#include "pem.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
pem_fail(char error[PEM_ERROR_MAX], const char *file, const char *format, ...)
{
	char message[PEM_ERROR_MAX / 2];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof message, format, args);
	va_end(args);
	(void)snprintf(error, PEM_ERROR_MAX, "%.200s: %s", file, message);
}

static BIO *
open_pem(const struct pem *pem)
{
	BIO *bio = pem->len <= INT_MAX ? BIO_new_mem_buf(pem->bytes, (int)pem->len) : NULL;

	if (bio == NULL)
		abort();
	ERR_clear_error();
	return bio;
}

struct passphrase {
	const char *text; /* NULL: there is none */
	bool asked;
};

/* There is nobody to be asked. */
static int
on_passphrase(char *text, int size, int writing, void *arg)
{
	struct passphrase *self = arg;
	size_t len = self->text != NULL ? strlen(self->text) : 0;

	(void)writing;
	self->asked = true;
	if (self->text == NULL || len > (size_t)size)
		return -1;
	memcpy(text, self->text, len);
	return (int)len;
}

static const char *
key_defect(const struct passphrase *passphrase)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	if (passphrase->asked && passphrase->text == NULL)
		return "it is encrypted, and there is no passphrase: write it without one (openssl "
		       "pkey), or see the manual";
	if (passphrase->asked)
		return "it is encrypted with another passphrase, or damaged";
	return reason != NULL ? reason : "unknown reason";
}

EVP_PKEY *
pem_read_key_with(
    const struct pem *pem, const char *passphrase, OSSL_LIB_CTX *library, char error[PEM_ERROR_MAX])
{
	struct passphrase given = {passphrase, false};
	BIO *bio = open_pem(pem);
	EVP_PKEY *key = PEM_read_bio_PrivateKey_ex(bio, NULL, on_passphrase, &given, library, NULL);

	BIO_free(bio);
	if (key == NULL)
		(void)snprintf(error, PEM_ERROR_MAX, "%.200s: the private key cannot be read: %s",
		    pem->name, key_defect(&given));
	ERR_clear_error();
	return key;
}

EVP_PKEY *
pem_read_key(const struct pem *pem, char error[PEM_ERROR_MAX])
{
	return pem_read_key_with(pem, NULL, NULL, error);
}
