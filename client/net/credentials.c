/* Certificate and key. The hard part is to say which of all that may be wrong with them is. */
#include "credentials.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "client/common/file.h"
#include "client/common/secret.h"
#include "crypto/bundle.h"
#include "crypto/pem.h"

enum { CREDENTIALS_MAX_BYTES = 1024 * 1024 };

struct credentials {
	X509 *certificate;
	STACK_OF(X509) * chain;
	EVP_PKEY *key;
};

static bool
read_file(const char *name, struct buffer *bytes, struct failure *failure)
{
	if (file_read(name, CREDENTIALS_MAX_BYTES, bytes, failure))
		return true;
	failure->kind = FAILURE_CONFIGURATION;
	return false;
}

static struct pem
pem_of(const char *name, const struct buffer *bytes)
{
	return (struct pem){
	    name, bytes->data != NULL ? buffer_bytes(bytes) : "", buffer_size(bytes)};
}

static void
wipe(struct buffer *bytes)
{
	if (bytes->data != NULL)
		explicit_bzero(bytes->data, bytes->capacity);
	buffer_fini(bytes);
}

/* ---- PEM ----------------------------------------------------------------------------------- */

static bool
read_key(struct credentials *self, const struct config *config, const char *passphrase,
    struct failure *failure)
{
	char error[PEM_ERROR_MAX];
	struct buffer bytes = {0};

	if (!read_file(config->key, &bytes, failure))
		return false;
	const struct pem pem = pem_of(config->key, &bytes);
	self->key = pem_read_key_with(&pem, passphrase, NULL, error);
	wipe(&bytes);
	return self->key != NULL ||
	       failure_set(failure, FAILURE_CONFIGURATION, "%s%s", error,
	           passphrase == NULL ? " (`key_passphrase_file` names the file of a passphrase)"
	                              : "");
}

/* Takes the certificate of the key out of the others; in PKCS#7 they have no order. */
static bool
choose_certificate(struct credentials *self)
{
	for (int i = 0; i < sk_X509_num(self->chain); i++) {
		if (X509_check_private_key(sk_X509_value(self->chain, i), self->key) != 1)
			continue;
		self->certificate = sk_X509_delete(self->chain, i);
		return true;
	}
	return false;
}

static bool
read_pem(struct credentials *self, const struct config *config, const char *passphrase,
    struct failure *failure)
{
	char error[PEM_ERROR_MAX];
	struct buffer bytes = {0};

	if (!read_file(config->certificate, &bytes, failure))
		return false;
	const struct pem pem = pem_of(config->certificate, &bytes);
	self->chain = bundle_read_certificates(&pem, error);
	buffer_fini(&bytes);
	if (self->chain == NULL)
		return failure_set(failure, FAILURE_CONFIGURATION, "%s", error);
	if (!read_key(self, config, passphrase, failure))
		return false;
	return choose_certificate(self) ||
	       failure_set(failure, FAILURE_CONFIGURATION,
	           "cannot use the CA, certificate or key of the configuration: %s is not the key "
	           "of %s",
	           config->key, config->certificate);
}

/* ---- PKCS#12 ------------------------------------------------------------------------------- */

static const char *
pkcs12_defect(struct credentials *self, PKCS12 *p12, const char *passphrase)
{
	/* Without one, some tools write an empty one and some none. */
	if (PKCS12_verify_mac(p12, passphrase, -1) != 1 &&
	    (passphrase != NULL || PKCS12_verify_mac(p12, "", 0) != 1))
		return passphrase == NULL
		           ? "has a passphrase: `key_passphrase_file` has to name a file with it"
		           : "has another passphrase, or is damaged";
	if (PKCS12_parse(p12, passphrase, &self->key, &self->certificate, &self->chain) != 1)
		return "cannot be decrypted: it may have old ciphers; write it anew with openssl "
		       "pkcs12 -export";
	if (self->key == NULL || self->certificate == NULL)
		return "holds no private key with its certificate";
	return NULL;
}

static bool
read_pkcs12(struct credentials *self, const struct config *config, const char *passphrase,
    struct failure *failure)
{
	struct buffer bytes = {0};

	if (!read_file(config->certificate, &bytes, failure))
		return false;
	const struct pem file = pem_of(config->certificate, &bytes);
	const unsigned char *der = (const unsigned char *)file.bytes, *end = der + file.len;
	PKCS12 *p12 = d2i_PKCS12(NULL, &der, (long)file.len);
	const char *defect = p12 == NULL || der != end ? "is not PKCS#12, to the last byte"
	                                               : pkcs12_defect(self, p12, passphrase);
	PKCS12_free(p12);
	wipe(&bytes);
	return defect == NULL ||
	       failure_set(failure, FAILURE_CONFIGURATION, "%s %s", config->certificate, defect);
}

/* ---- either -------------------------------------------------------------------------------- */

struct credentials *
credentials_read(const struct config *config, struct failure *failure)
{
	struct credentials *self = buffer_alloc(sizeof *self);
	char *passphrase = NULL;
	bool good = true;

	if (config->key_passphrase_file != NULL) {
		passphrase = secret_read(config->key_passphrase_file, failure);
		good = passphrase != NULL;
	}
	ERR_clear_error();
	if (good)
		good = config->key == NULL ? read_pkcs12(self, config, passphrase, failure)
		                           : read_pem(self, config, passphrase, failure);
	ERR_clear_error();
	secret_free(passphrase);
	if (good)
		return self;
	credentials_free(self);
	return NULL;
}

void
credentials_free(struct credentials *self)
{
	if (self == NULL)
		return;
	X509_free(self->certificate);
	sk_X509_pop_free(self->chain, X509_free);
	EVP_PKEY_free(self->key);
	free(self);
}

const X509 *
credentials_certificate(const struct credentials *self)
{
	return self->certificate;
}

bool
credentials_use(const struct credentials *self, SSL_CTX *context)
{
	return SSL_CTX_use_cert_and_key(context, self->certificate, self->key, self->chain, 1) == 1;
}
