/*
 * CMS through OpenSSL. The hard part is what not to accept: the certificates inside a signature
 * are not looked at (CMS_NOINTERN), so that the pinned one must have made it, and a signature that
 * nobody made (RFC 5652 allows an empty set of signers) is none.
 */
#include "tls_signature.h"

#include <limits.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIGEST_MIN_BYTES = 32, RSA_MIN_BITS = 2048, EC_MIN_BITS = 256 };

static const char *
certificate_defect(X509 *certificate)
{
	EVP_PKEY *key = X509_get0_pubkey(certificate);
	int type = key != NULL ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;

	if ((type != EVP_PKEY_RSA || EVP_PKEY_get_bits(key) < RSA_MIN_BITS) &&
	    (type != EVP_PKEY_EC || EVP_PKEY_get_bits(key) < EC_MIN_BITS))
		return "the key is neither RSA of 2048 bits nor EC of 256 bits or more";
	if (X509_cmp_current_time(X509_get0_notBefore(certificate)) >= 0)
		return "the certificate is not yet valid";
	if (X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0)
		return "the certificate has expired";
	return NULL;
}

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

static bool
matches(CMS_ContentInfo *cms, X509 *certificate, const char *content, size_t len)
{
	const unsigned flags = CMS_BINARY | CMS_DETACHED | CMS_NOINTERN | CMS_NO_SIGNER_CERT_VERIFY;
	STACK_OF(X509) *signers = sk_X509_new_null();
	BIO *reader = BIO_new_mem_buf(content, (int)len);

	if (reader == NULL || signers == NULL || sk_X509_push(signers, certificate) == 0)
		abort();
	bool good = CMS_verify(cms, signers, NULL, reader, NULL, flags) == 1;
	BIO_free(reader);
	sk_X509_free(signers);
	return good;
}

static const char *
signature_defect(
    const struct tls_pem *signature, X509 *certificate, const char *content, size_t len)
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
tls_signature_verify(const struct tls_pem *signer, const struct tls_pem *signature,
    const char *content, size_t len, char error[TLS_ERROR_MAX])
{
	STACK_OF(X509) *certificates = tls_verify_read_certificates(signer, error);
	const char *defect, *name = signer->name;

	if (certificates == NULL)
		return false;
	ERR_clear_error();
	X509 *certificate = sk_X509_value(certificates, 0);
	defect = sk_X509_num(certificates) != 1 ? "must hold exactly one certificate"
	                                        : certificate_defect(certificate);
	if (defect == NULL) {
		name = signature->name;
		defect = signature_defect(signature, certificate, content, len);
	}
	if (defect != NULL)
		(void)snprintf(error, TLS_ERROR_MAX, "%s: %s", name, defect);
	ERR_clear_error();
	sk_X509_pop_free(certificates, X509_free);
	return defect == NULL;
}

static time_t
seconds(const ASN1_TIME *when)
{
	struct tm tm;
	return ASN1_TIME_to_tm(when, &tm) == 1 ? timegm(&tm) : 0;
}

time_t
tls_signature_next_date(const struct tls_pem *signer, time_t now)
{
	char error[TLS_ERROR_MAX];
	STACK_OF(X509) *certificates = tls_verify_read_certificates(signer, error);

	if (certificates == NULL)
		return 0;
	const X509 *certificate = sk_X509_value(certificates, 0);
	time_t begins = seconds(X509_get0_notBefore(certificate));
	time_t ends = seconds(X509_get0_notAfter(certificate));
	ERR_clear_error();
	sk_X509_pop_free(certificates, X509_free);
	if (now < begins)
		return begins;
	return now < ends ? ends : 0;
}
