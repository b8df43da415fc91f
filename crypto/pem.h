/* Certificates and keys as PEM text (RFC 7468) in memory. */
#ifndef CRYPTO_PEM_H
#define CRYPTO_PEM_H

#include <openssl/x509.h>
#include <stddef.h>

enum { PEM_ERROR_MAX = 512 };

/* PEM text in memory, or other bytes of a file; NAME is that file, for messages. */
struct pem {
	const char *name;
	const char *bytes; /* NULL: not configured */
	size_t len;
};

/* Fills ERROR with FILE and what is wrong with it. */
void pem_fail(char error[PEM_ERROR_MAX], const char *file, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Reads the private key of a PEM text, which must have no passphrase; NULL with ERROR filled when
 * it cannot. The caller frees it. */
EVP_PKEY *pem_read_key(const struct pem *pem, char error[PEM_ERROR_MAX]);

/* The same for a key that may be encrypted with PASSPHRASE; NULL: there is none. Nobody is asked
 * for one. LIBRARY (NULL: the default one) decodes it. */
EVP_PKEY *pem_read_key_with(const struct pem *pem, const char *passphrase, OSSL_LIB_CTX *library,
    char error[PEM_ERROR_MAX]);

#endif
