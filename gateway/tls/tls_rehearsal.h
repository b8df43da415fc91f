/*
 * A handshake's verification, tried out with a client certificate that nobody has: what every
 * client of a CA would be refused for is known before one comes.
 */
#ifndef GATEWAY_TLS_REHEARSAL_H
#define GATEWAY_TLS_REHEARSAL_H

#include <openssl/x509.h>
#include <stdbool.h>

struct identity;
struct tls_verify;

/* tls_verify_judge(), or what stands in its place. */
typedef const char *tls_rehearsal_judge_fn(
    const struct tls_verify *rules, bool good, X509_STORE_CTX *ctx, struct identity *identity);

/* NULL when a flawless client of CA would be let in by JUDGE, RULES and their STORE now, or a
 * static text that says why not. That somebody on the way was revoked is no reason: that is what
 * lists are for.
 */
const char *tls_rehearsal(
    tls_rehearsal_judge_fn *judge, const struct tls_verify *rules, X509_STORE *store, X509 *ca);

#endif
