/* Reasons with remedies: one table. */
#include "tls_remedy.h"

#include <openssl/x509_vfy.h>
#include <stddef.h>

/* Each begins with OpenSSL's own text, which people look for. */
static const struct {
	int error;
	const char *text;
} remedies[] = {
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        "unable to get local issuer certificate: the CA that issued it has to be in client_ca, or "
        "the client has to show it, too"},
    {X509_V_ERR_UNABLE_TO_GET_CRL,
        "unable to get certificate CRL: each CA on the way to the root needs its certificate in "
        "client_ca and its list in crl"},
    {X509_V_ERR_DIFFERENT_CRL_SCOPE,
        "Different CRL scope: the list has to be complete, without issuingDistributionPoint"},
    {X509_V_ERR_CA_BCONS_NOT_CRITICAL,
        "Basic Constraints of CA cert not marked critical: put that CA into client_ca, or have it "
        "issued anew"},
    {X509_V_ERR_CA_CERT_MISSING_KEY_USAGE,
        "CA cert does not include key usage extension: put that CA into client_ca, or have it "
        "issued anew"},
    {X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER,
        "Missing Subject Key Identifier: put that CA into client_ca, or have it issued anew; where "
        "two CAs have one name, both need the identifier"},
    {X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER,
        "Missing Authority Key Identifier: it is needed where two CAs have one name"},
    {X509_V_ERR_KEYUSAGE_NO_CERTSIGN,
        "key usage does not include certificate signing: have that CA issued anew with "
        "keyCertSign and cRLSign"},
    {X509_V_ERR_CA_MD_TOO_WEAK,
        "CA signature digest algorithm too weak: SHA-256 or better is needed"},
    {X509_V_ERR_CA_KEY_TOO_SMALL,
        "CA certificate key too weak: RSA of 2048 bits, EC of 256 or Ed25519 is needed"},
    {X509_V_ERR_PATH_LENGTH_EXCEEDED,
        "path length constraint exceeded: the CA above allows fewer below itself"},
    {X509_V_ERR_INVALID_PURPOSE,
        "unsuitable certificate purpose: extendedKeyUsage, of a CA, too, where it has one, must "
        "include clientAuth"},
};

const char *
tls_remedy(int error)
{
	for (size_t i = 0; i < sizeof remedies / sizeof *remedies; i++)
		if (remedies[i].error == error)
			return remedies[i].text;
	return X509_verify_cert_error_string(error);
}
