/*
 * CMS through OpenSSL. The hard part is what not to accept: the certificates inside a signature
 * are not looked at (CMS_NOINTERN), so that the pinned one must have made it, and a signature that
 * nobody made (RFC 5652 allows an empty set of signers) is none.
 */
#include "signature.h"

#include <assert.h>
#include <limits.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIGEST_MIN_BYTES = 32 };

static bool
has_strong_digest(CMS_SignerInfo *signer)
{
	X509_ALGOR *algorithm = NULL;
	const ASN1_OBJECT *object = NULL;

	CMS_SignerInfo_get0_algs(signer, NULL, NULL, &algorithm, NULL);
	X509_ALGOR_get0(&object, NULL, NULL, algorithm);
	const EVP_MD *digest = EVP_get_digestbyobj(object);
	return digest != NULL && EVP_MD_get_size(digest) >= DIGEST_MIN_BYTES;
}

/* What is wrong with CMS before any key is used. */
static const char *
form_defect(CMS_ContentInfo *cms, X509 *certificate)
{
	if (OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed)
		return "is not signed data";
	if (CMS_is_detached(cms) != 1)
		return "holds the content itself: it must be detached";
	STACK_OF(CMS_SignerInfo) *signers = CMS_get0_SignerInfos(cms);
	if (sk_CMS_SignerInfo_num(signers) != 1)
		return "must be the signature of exactly one signer";
	CMS_SignerInfo *signer = sk_CMS_SignerInfo_value(signers, 0);
	if (!has_strong_digest(signer))
		return "uses a digest weaker than SHA-256";
	if (CMS_SignerInfo_cert_cmp(signer, certificate) != 0)
		return "was made by another certificate than the one that is pinned";
	return NULL;
}

/* A memory BIO below a filter: CMS_verify() would copy a bare one, and lose the copy when the
 * signature turns out to be none it can begin with. */
static BIO *
content_reader(const char *content, size_t len)
{
	BIO *filter = BIO_new(BIO_f_null()), *memory = BIO_new_mem_buf(content, (int)len);

	if (filter == NULL || memory == NULL)
		abort();
	return BIO_push(filter, memory);
}

static bool
matches(CMS_ContentInfo *cms, X509 *certificate, const char *content, size_t len)
{
	const unsigned flags = CMS_BINARY | CMS_DETACHED | CMS_NOINTERN | CMS_NO_SIGNER_CERT_VERIFY;
	STACK_OF(X509) *signers = sk_X509_new_null();
	BIO *reader = content_reader(content, len);

	if (signers == NULL || sk_X509_push(signers, certificate) == 0)
		abort();
	bool good = CMS_verify(cms, signers, NULL, reader, NULL, flags) == 1;
	BIO_free_all(reader);
	sk_X509_free(signers);
	return good;
}

static const char *
signature_defect(const struct pem *signature, X509 *certificate, const char *content, size_t len)
{
	const unsigned char *der = (const unsigned char *)signature->bytes;
	const unsigned char *end = der + signature->len;

	if (signature->len > LONG_MAX || len > INT_MAX)
		return "cannot be checked: too large";
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &der, (long)signature->len);
	if (cms == NULL)
		return "is not a CMS signature in DER";
	const char *defect = der != end ? "has bytes after its end" : form_defect(cms, certificate);
	if (defect == NULL && !matches(cms, certificate, content, len))
		defect = "is not a signature of this content";
	CMS_ContentInfo_free(cms);
	return defect;
}

bool
signature_verify(const struct signer *signer, const struct pem *signature, const char *content,
    size_t len, char error[PEM_ERROR_MAX])
{
	X509 *certificate = signer_read(signer, error);

	if (certificate == NULL)
		return false;
	const char *defect = signature_defect(signature, certificate, content, len);
	if (defect != NULL)
		(void)snprintf(error, PEM_ERROR_MAX, "%s: %s", signature->name, defect);
	ERR_clear_error();
	X509_free(certificate);
	return defect == NULL;
}

/* The attribute of TYPE, when there is exactly one with one value. */
static const ASN1_TIME *
time_attribute(const CMS_SignerInfo *signer, int type)
{
	enum { ONE_WITH_ONE_VALUE = -3 };

	return CMS_signed_get0_data_by_OBJ(
	    signer, OBJ_nid2obj(NID_pkcs9_signingTime), ONE_WITH_ONE_VALUE, type);
}

time_t
signature_time(const struct pem *signature)
{
	const unsigned char *der = (const unsigned char *)signature->bytes;
	CMS_ContentInfo *cms = signature->len <= LONG_MAX
	                           ? d2i_CMS_ContentInfo(NULL, &der, (long)signature->len)
	                           : NULL;
	const STACK_OF(CMS_SignerInfo) *signers = cms != NULL ? CMS_get0_SignerInfos(cms) : NULL;
	const ASN1_TIME *when = NULL;
	struct tm tm;
	time_t seconds = 0;

	if (signers != NULL && sk_CMS_SignerInfo_num(signers) == 1) {
		const CMS_SignerInfo *signer = sk_CMS_SignerInfo_value(signers, 0);
		when = time_attribute(signer, V_ASN1_UTCTIME);
		if (when == NULL)
			when = time_attribute(signer, V_ASN1_GENERALIZEDTIME);
	}
	if (when != NULL && ASN1_TIME_to_tm(when, &tm) == 1)
		seconds = timegm(&tm);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return seconds > 0 ? seconds : 0;
}

static bool
sign(X509 *certificate, EVP_PKEY *key, const char *content, size_t len, struct buffer *signature)
{
	const unsigned flags = CMS_BINARY | CMS_DETACHED | CMS_NOSMIMECAP | CMS_PARTIAL;
	BIO *reader = BIO_new_mem_buf(content, (int)len);
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
	unsigned char *der = NULL;
	int size = -1;

	if (reader == NULL)
		abort();
	if (cms != NULL && CMS_add1_signer(cms, certificate, key, EVP_sha256(), flags) != NULL &&
	    CMS_final(cms, reader, NULL, flags) == 1)
		size = i2d_CMS_ContentInfo(cms, &der);
	if (size > 0)
		buffer_append(signature, der, (size_t)size);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(reader);
	return size > 0;
}

bool
signature_make(const struct signer *signer, const struct pem *key, const char *content, size_t len,
    struct buffer *signature, char error[PEM_ERROR_MAX])
{
	EVP_PKEY *private_key = NULL;
	X509 *certificate = signer_read(signer, error);
	bool done = false;

	assert(len <= INT_MAX);
	if (certificate != NULL)
		private_key = pem_read_key(key, error);
	if (private_key != NULL) {
		done = sign(certificate, private_key, content, len, signature);
		if (!done) {
			const char *reason = ERR_reason_error_string(ERR_peek_last_error());
			(void)snprintf(error, PEM_ERROR_MAX, "%.200s: cannot sign: %s", key->name,
			    reason != NULL ? reason : "unknown reason");
		}
	}
	ERR_clear_error();
	EVP_PKEY_free(private_key);
	X509_free(certificate);
	return done;
}
