/*
 * Release certificates: what one must be like to sign policies, catalogues and indexes.
 *
 * This is the one definition, for whoever signs and whoever checks.
 */
#ifndef CRYPTO_SIGNER_H
#define CRYPTO_SIGNER_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <time.h>

#include "pem.h"

/* A release certificate, and what may have revoked it. */
struct signer {
	struct pem pem;
	const STACK_OF(X509_CRL) * lists; /* crl_read(), checked; NULL: none are known */
	time_t now;                       /* when it must be valid; 0: now, by the clock */
};

/* The certificate of SELF, when there is exactly one, and it is good now: RSA >= 2048 or EC >= 256,
 * within its dates, meant for signatures as far as it says what it is for (RFC 5280, 4.2.1.3), and
 * not revoked by any of the lists (crl_revokes()). NULL, with ERROR filled ("file: what"),
 * otherwise. The caller frees it. */
X509 *signer_read(const struct signer *self, char error[PEM_ERROR_MAX]);

/* True when the lists revoke what signer_read() would be asked for, whatever else is wrong with it.
 * False for what is no certificate. */
bool signer_is_revoked(const struct signer *self);

/* True when that is not valid yet, or any more. False for what is no certificate. */
bool signer_is_out_of_date(const struct signer *self);

/* The next second after NOW from which on the certificate in PEM is valid, or no longer is. 0:
 * there is none, or PEM holds no certificate. */
time_t signer_next_date(const struct pem *pem, time_t now);

#endif
