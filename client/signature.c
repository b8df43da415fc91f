/*
 * CMS through OpenSSL. The hard part is what not to accept: the certificates inside a signature
 * are not looked at (CMS_NOINTERN), so that the pinned one must have made it, and a signature that
 * nobody made (RFC 5652 allows an empty set of signers) is none.
 */
#include "signature.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

enum { SHA256_BYTES = 32 };

static const char *
openssl_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	return reason != NULL ? reason : "unknown reason";
}

static BIO *
open_pem(const char *name, struct failure *failure)
{
	ERR_clear_error();
	BIO *bio = BIO_new_file(name, "r");
	if (bio == NULL)
		failure_set(
		    failure, FAILURE_CONFIGURATION, "cannot open %s: %s", name, openssl_reason());
	return bio;
}

static X509 *
read_certificate(const char *name, struct failure *failure)
{
	BIO *bio = open_pem(name, failure);
	if (bio == NULL)
		return NULL;
	X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	if (certificate == NULL)
		failure_set(failure, FAILURE_CONFIGURATION, "no certificate in %s: %s", name,
		    openssl_reason());
	return certificate;
}

/* A key with a passphrase is refused instead of asking for it. */
static int
no_passphrase(char *text, int size, int writing, void *arg)
{
	(void)text, (void)size, (void)writing, (void)arg;
	return -1;
}

static EVP_PKEY *
read_key(const char *name, struct failure *failure)
{
	BIO *bio = open_pem(name, failure);
	if (bio == NULL)
		return NULL;
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	if (key == NULL)
		failure_set(
		    failure, FAILURE_CONFIGURATION, "no key in %s: %s", name, openssl_reason());
	return key;
}

static BIO *
reader_of(const struct buffer *bytes)
{
	BIO *bio = BIO_new_mem_buf(
	    bytes->data != NULL ? buffer_bytes(bytes) : "", (int)buffer_size(bytes));
	if (bio == NULL)
		abort();
	return bio;
}

static bool
sign(const struct buffer *content, X509 *certificate, EVP_PKEY *key, struct buffer *signature)
{
	const unsigned flags = CMS_BINARY | CMS_DETACHED | CMS_NOSMIMECAP | CMS_PARTIAL;
	BIO *reader = reader_of(content);
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
	unsigned char *der = NULL;
	int len = -1;

	if (cms != NULL && CMS_add1_signer(cms, certificate, key, EVP_sha256(), flags) != NULL &&
	    CMS_final(cms, reader, NULL, flags) == 1)
		len = i2d_CMS_ContentInfo(cms, &der);
	if (len > 0)
		buffer_append(signature, der, (size_t)len);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(reader);
	return len > 0;
}

bool
signature_make(const struct buffer *content, const char *certificate_file, const char *key_file,
    struct buffer *signature, struct failure *failure)
{
	bool done = false;
	EVP_PKEY *key = NULL;
	X509 *certificate = read_certificate(certificate_file, failure);

	if (certificate != NULL)
		key = read_key(key_file, failure);
	if (key != NULL) {
		done = sign(content, certificate, key, signature);
		if (!done)
			failure_set(failure, FAILURE_CONFIGURATION, "cannot sign with %s: %s",
			    certificate_file, openssl_reason());
	}
	EVP_PKEY_free(key);
	X509_free(certificate);
	return done;
}

/* True when there are signers and each used a digest that still holds. */
static bool
has_strong_signers(CMS_ContentInfo *cms)
{
	STACK_OF(CMS_SignerInfo) *signers = CMS_get0_SignerInfos(cms);

	for (int i = 0; i < sk_CMS_SignerInfo_num(signers); i++) {
		X509_ALGOR *algorithm = NULL;
		const ASN1_OBJECT *object = NULL;

		CMS_SignerInfo_get0_algs(
		    sk_CMS_SignerInfo_value(signers, i), NULL, NULL, &algorithm, NULL);
		X509_ALGOR_get0(&object, NULL, NULL, algorithm);
		const EVP_MD *digest = EVP_get_digestbyobj(object);
		if (digest == NULL || EVP_MD_get_size(digest) < SHA256_BYTES)
			return false;
	}
	return sk_CMS_SignerInfo_num(signers) > 0;
}

static bool
is_signed_by(const struct buffer *content, const struct buffer *signature, X509 *certificate)
{
	const unsigned flags = CMS_BINARY | CMS_DETACHED | CMS_NOINTERN | CMS_NO_SIGNER_CERT_VERIFY;
	const unsigned char *der = (const unsigned char *)buffer_bytes(signature);
	const unsigned char *end = der + buffer_size(signature);
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &der, end - der);
	STACK_OF(X509) *signers = sk_X509_new_null();
	BIO *reader = reader_of(content);

	if (signers == NULL || sk_X509_push(signers, certificate) == 0)
		abort();
	bool good = cms != NULL && der == end && CMS_is_detached(cms) == 1 &&
	            has_strong_signers(cms) &&
	            CMS_verify(cms, signers, NULL, reader, NULL, flags) == 1;
	BIO_free(reader);
	sk_X509_free(signers);
	CMS_ContentInfo_free(cms);
	return good;
}

bool
signature_verify(const struct buffer *content, const struct buffer *signature, const char *signer,
    const char *name, struct failure *failure)
{
	X509 *certificate = read_certificate(signer, failure);
	bool good = false;

	if (certificate == NULL)
		return false;
	if (X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0)
		failure_set(
		    failure, FAILURE_CATALOGUE, "the certificate in %s has expired", signer);
	else if (buffer_size(signature) == 0 || !is_signed_by(content, signature, certificate))
		failure_set(failure, FAILURE_CATALOGUE,
		    "the signature of %s is not one by the certificate in %s", name, signer);
	else
		good = true;
	ERR_clear_error();
	X509_free(certificate);
	return good;
}
