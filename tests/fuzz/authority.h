/*
 * A certificate authority that lives as long as the process: no key is ever in a file.
 *
 * All functions abort when OpenSSL fails where it cannot be the input's fault.
 */
#ifndef TESTS_FUZZ_AUTHORITY_H
#define TESTS_FUZZ_AUTHORITY_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

/* Text in memory, NUL-terminated; the caller frees BYTES. */
struct authority_text {
	char *bytes;
	size_t len;
};

/* The PEM text of the authority's certificate, of its empty CRL, and of a server's certificate and
 * key. They belong to the authority. */
struct authority_files {
	struct authority_text ca, crl, certificate, key;
};
const struct authority_files *authority_files(void);

/* A client certificate that passes every check, subject CN=acme; the caller frees it. SERIAL may
 * be NULL. */
X509 *authority_client(const ASN1_INTEGER *serial);

/* Takes CERTIFICATE or CRL for the authority's own: sets the issuer, signs, and decodes it anew as
 * from the wire. Returns NULL when it cannot be encoded or decoded; the caller frees the result,
 * and still the original. */
X509 *authority_reissue(const X509 *certificate);
X509_CRL *authority_reissue_crl(const X509_CRL *crl);

/* LEN bytes of DER as PEM of the kind NAME ("X509 CRL"). */
struct authority_text authority_pem(const char *name, const void *der, size_t len);

#endif
