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

#include "base/buffer.h"
#include "crypto/pem.h"
#include "identity.h"
#include "tls_crl.h"

enum { TLS_ERROR_MAX = PEM_ERROR_MAX, TLS_VERIFY_DEPTH = 4, TLS_SECURITY_LEVEL = 2 };

struct tls_verify;

/* Builds the store from CA certificates (tls_cas.h) and CRLs (tls_crl.h; bytes NULL: none wanted).
 * Each CA must be such that a client of it could be let in (tls_rehearsal.h). NULL, with ERROR
 * filled
 * ("file: what"), when anything is wrong. */
struct tls_verify *tls_verify_new(
    const struct pem *client_ca, const struct pem *crl, char error[TLS_ERROR_MAX]);
void tls_verify_free(struct tls_verify *self);

/* What was left out of the files, a line each; as long as SELF. */
const struct buffer *tls_verify_notes(const struct tls_verify *self);

/* Makes CTX demand and verify client certificates by these rules. */
void tls_verify_install(struct tls_verify *self, SSL_CTX *ctx);

/* What a verify callback of OpenSSL (SSL_set_verify(3)) has to say, GOOD being what it was told:
 * the certificate may be good for OpenSSL and still be outside the profile. Returns NULL and, at
 * the leaf, fills IDENTITY, or a static text that says why not; then IDENTITY is what is known. */
const char *tls_verify_judge(
    const struct tls_verify *self, bool good, X509_STORE_CTX *ctx, struct identity *identity);

/* Verifies LEAF now: chain, dates, revocation and profile. Returns NULL and fills IDENTITY, or
 * a static text that says why not. */
const char *tls_verify_certificate(
    struct tls_verify *self, X509 *leaf, STACK_OF(X509) * chain, struct identity *identity);

/* True when CHAIN, a verified path from a leaf, needs nobody but CAs in use: the leaf is good
 * without what its client sent with it. */
bool tls_verify_needs_no_other(const struct tls_verify *self, const STACK_OF(X509) * chain);

/* Until when LEAF, if it is good now, stays so at least, while the clock goes on. */
time_t tls_verify_good_until(const struct tls_verify *self, const X509 *leaf);

/* Appends the canonical names of the client CAs, each once; returns how many there are. */
size_t tls_verify_name_cas(const struct tls_verify *self, struct buffer *text);

/* When the first of the client CAs runs out. */
time_t tls_verify_cas_expire(const struct tls_verify *self);

/* The revocation lists, as long as SELF; NULL when none were wanted. */
const struct tls_crl *tls_verify_crl(const struct tls_verify *self);

#endif
