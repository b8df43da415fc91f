/* One certificate and what is asked of it: nothing here is hard. */
#include "signer.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "asn1_seconds.h"
#include "bundle.h"
#include "crl.h"
#include "strength.h"

static const char *
certificate_defect(X509 *certificate, const STACK_OF(X509_CRL) * lists, time_t now)
{
	EVP_PKEY *key = X509_get0_pubkey(certificate);

	/* CMS has no Ed25519 with SHA-256 (RFC 8419). */
	if (strength_key_defect(key) != NULL || EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519)
		return "the key is neither RSA of 2048 bits nor EC of 256 bits or more";
	/* All bits are set when the certificate does not say. */
	if ((X509_get_key_usage(certificate) & KU_DIGITAL_SIGNATURE) == 0)
		return "the certificate is not meant for signatures (key usage)";
	if (X509_cmp_time(X509_get0_notBefore(certificate), &now) >= 0)
		return "the certificate is not yet valid";
	if (X509_cmp_time(X509_get0_notAfter(certificate), &now) <= 0)
		return "the certificate has expired";
	if (crl_revokes(lists, certificate))
		return "the certificate is revoked";
	return NULL;
}

X509 *
signer_read(const struct signer *self, char error[PEM_ERROR_MAX])
{
	STACK_OF(X509) *certificates = bundle_read_certificates(&self->pem, error);
	X509 *certificate = NULL;
	time_t now = self->now != 0 ? self->now : time(NULL);

	if (certificates == NULL)
		return NULL;
	ERR_clear_error();
	const char *defect =
	    sk_X509_num(certificates) != 1
	        ? "must hold exactly one certificate"
	        : certificate_defect(sk_X509_value(certificates, 0), self->lists, now);
	if (defect == NULL)
		certificate = sk_X509_pop(certificates);
	else
		(void)snprintf(error, PEM_ERROR_MAX, "%.200s: %s", self->pem.name, defect);
	ERR_clear_error();
	sk_X509_pop_free(certificates, X509_free);
	return certificate;
}

bool
signer_is_revoked(const struct signer *self)
{
	char error[PEM_ERROR_MAX];
	STACK_OF(X509) *certificates = bundle_read_certificates(&self->pem, error);
	bool revoked = false;

	for (int i = 0; i < sk_X509_num(certificates) && !revoked; i++)
		revoked = crl_revokes(self->lists, sk_X509_value(certificates, i));
	ERR_clear_error();
	sk_X509_pop_free(certificates, X509_free);
	return revoked;
}

time_t
signer_next_date(const struct pem *pem, time_t now)
{
	char error[PEM_ERROR_MAX];
	STACK_OF(X509) *certificates = bundle_read_certificates(pem, error);

	if (certificates == NULL)
		return 0;
	const X509 *certificate = sk_X509_value(certificates, 0);
	time_t begins = asn1_seconds(X509_get0_notBefore(certificate));
	time_t ends = asn1_seconds(X509_get0_notAfter(certificate));
	ERR_clear_error();
	sk_X509_pop_free(certificates, X509_free);
	if (now < begins)
		return begins;
	return now < ends ? ends : 0;
}

bool
signer_is_out_of_date(const struct signer *self)
{
	char error[PEM_ERROR_MAX];
	STACK_OF(X509) *certificates = bundle_read_certificates(&self->pem, error);
	time_t now = self->now != 0 ? self->now : time(NULL);
	bool outside = false;

	for (int i = 0; i < sk_X509_num(certificates) && !outside; i++) {
		const X509 *certificate = sk_X509_value(certificates, i);
		outside = X509_cmp_time(X509_get0_notBefore(certificate), &now) >= 0 ||
		          X509_cmp_time(X509_get0_notAfter(certificate), &now) <= 0;
	}
	ERR_clear_error();
	sk_X509_pop_free(certificates, X509_free);
	return outside;
}
