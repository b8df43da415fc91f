/*
 * Detached CMS signatures (RFC 5652) by one certificate that is known beforehand.
 *
 * There is no chain: whoever holds the pinned certificate's key may sign, nobody else, whatever
 * certificates a signature brings along.
 */
#ifndef GATEWAY_TLS_SIGNATURE_H
#define GATEWAY_TLS_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "tls_verify.h"

/* True when the LEN bytes of SIGNATURE are, to the last one, the DER of one signature over CONTENT:
 * made by the certificate in SIGNER (PEM, exactly one, valid now, RSA >= 2048 or EC >= 256) with
 * SHA-256 or better, the content not inside. False, with ERROR filled ("file: what"), otherwise. */
bool tls_signature_verify(const struct tls_pem *signer, const struct tls_pem *signature,
    const char *content, size_t len, char error[TLS_ERROR_MAX]);

/* The next second after NOW from which on the certificate in SIGNER is valid, or no longer is. 0:
 * there is none, or SIGNER holds no certificate. */
time_t tls_signature_next_date(const struct tls_pem *signer, time_t now);

#endif
