/*
 * The rules a client certificate is verified by: CAs, revocation lists, depth, profile.
 *
 * One struct tls_verify belongs to one generation. It serves the handshake, and verifies a
 * certificate again when a session is resumed or a new generation is adopted, since OpenSSL
 * verifies nothing on resumption.
 */
#ifndef GATEWAY_TLS_VERIFY_H
#define GATEWAY_TLS_VERIFY_H

#include <openssl/ssl.h>
#include <stddef.h>
#include <time.h>

#include "identity.h"

enum { TLS_ERROR_MAX = 512, TLS_VERIFY_DEPTH = 4, TLS_SECURITY_LEVEL = 2 };

struct tls_verify;

/* PEM text in memory; NAME is the file it came from, for messages. */
struct tls_pem {
	const char *name;
	const char *bytes; /* NULL: not configured */
	size_t len;
};

/* Builds the store from CA certificates and CRLs (bytes NULL: none wanted). Every CRL must be
 * signed by one of the CAs, be current, carry a CRL number and no unknown critical extension,
 * and every CA must have one. NULL, with ERROR filled ("file: what"), when anything is wrong. */
struct tls_verify *tls_verify_new(
    const struct tls_pem *client_ca, const struct tls_pem *crl, char error[TLS_ERROR_MAX]);
void tls_verify_free(struct tls_verify *self);

/* Makes CTX demand and verify client certificates by these rules. */
void tls_verify_install(struct tls_verify *self, SSL_CTX *ctx);

/* Verifies LEAF now: chain, dates, revocation and profile. Returns NULL and fills IDENTITY, or
 * a static text that says why not. */
const char *tls_verify_certificate(
    struct tls_verify *self, X509 *leaf, STACK_OF(X509) * chain, struct identity *identity);

/* NULL, or a static text when a CRL of SELF has a lower number than one of the same issuer in
 * PREVIOUS: an old list would bring revoked certificates back. PREVIOUS was good once; it may have
 * expired since. */
const char *tls_verify_crl_went_back(const struct tls_verify *self, const struct tls_pem *previous);

/* When the first CRL runs out; 0 when none is configured. */
time_t tls_verify_crl_expires(const struct tls_verify *self);

/* Reads all certificates of a PEM text; NULL with ERROR filled when there is none or one is
 * broken. */
STACK_OF(X509) * tls_verify_read_certificates(const struct tls_pem *pem, char error[TLS_ERROR_MAX]);

#endif
