/*
 * Detached CMS signatures (RFC 5652) by one certificate that is known beforehand.
 *
 * There is no chain: whoever holds the pinned certificate's key may sign, nobody else, whatever
 * certificates a signature brings along. What that certificate must be like: signer.h.
 */
#ifndef CRYPTO_SIGNATURE_H
#define CRYPTO_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "pem.h"
#include "signer.h"

/* True when the bytes of SIGNATURE are, to the last one, the DER of one signature over the LEN
 * bytes of CONTENT: made by the certificate of SIGNER (signer_read()) with SHA-256 or better, the
 * content not inside. False, with ERROR filled ("file: what"), otherwise. */
bool signature_verify(const struct signer *signer, const struct pem *signature, const char *content,
    size_t len, char error[PEM_ERROR_MAX]);

/* When SIGNATURE, which was verified, was made, as its signer says (RFC 5652, 11.3); 0: it does not
 * say so, or not in a way to be read. */
time_t signature_time(const struct pem *signature);

/* Signs the LEN bytes of CONTENT, at most INT_MAX, with the certificate of SIGNER
 * (signer_read()) and the private KEY; the DER goes into SIGNATURE, which is empty. False, with
 * ERROR filled
 * ("file: what"), when that cannot be. */
bool signature_make(const struct signer *signer, const struct pem *key, const char *content,
    size_t len, struct buffer *signature, char error[PEM_ERROR_MAX]);

#endif
