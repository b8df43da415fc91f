/*
 * The certificates and revocation lists of one file, in whichever form authorities hand them out:
 * PEM text (RFC 7468) with any number of them, also as PKCS#7; or DER of one certificate, of one
 * list, or of PKCS#7 (RFC 5652).
 */
#ifndef CRYPTO_BUNDLE_H
#define CRYPTO_BUNDLE_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "pem.h"

struct bundle {
	STACK_OF(X509) * certificates;
	STACK_OF(X509_CRL) * lists;
};

/* Fills SELF from FILE; either stack may be empty, and nothing is checked. Keys and parameters
 * that stand in a PEM text are passed over. False, with SELF empty and ERROR filled ("file: what"),
 * when anything cannot be read or is of another kind. WANTED is "certificate" or "CRL", for that
 * message. */
bool bundle_read(
    struct bundle *self, const struct pem *file, const char *wanted, char error[PEM_ERROR_MAX]);
void bundle_free(struct bundle *self);

/* Reads all certificates of FILE; NULL with ERROR filled ("file: what") when there is none or
 * anything is broken. The caller frees them. */
STACK_OF(X509) * bundle_read_certificates(const struct pem *file, char error[PEM_ERROR_MAX]);

/* True when the LEN bytes are no text: they begin as the DER of a certificate, a list or PKCS#7. */
bool bundle_is_der(const char *bytes, size_t len);

#endif
