/*
 * The server side of TLS for one generation: certificate, key, ciphers, verify rules, sessions.
 *
 * TLS 1.2 and 1.3 only, client certificates always, security level 2 whatever the system says,
 * no renegotiation, no compression, no early data, http/1.1 the only ALPN protocol. Sessions
 * travel in tickets, so that any worker and any node with the same ticket keys can resume them;
 * clients without tickets (TLS 1.2 session ids) have theirs kept in this process. Either kind is
 * bound to the verify rules, and a resumed client is verified again.
 */
#ifndef GATEWAY_TLS_CONTEXT_H
#define GATEWAY_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "tls_verify.h"

struct tls_context; /* counted references */

struct tls_material {
	struct tls_pem certificate, key, client_ca, crl, ticket_keys;
};

struct tls_options {
	bool high_ciphers;     /* HIGH:!aNULL:!kRSA instead of the ECDHE AEAD suites */
	long session_lifetime; /* seconds, from the full handshake */
};

/* NULL, with ERROR filled ("file: what is wrong"), when any part is unusable. */
struct tls_context *tls_context_new(const struct tls_material *material,
    const struct tls_options *options, char error[TLS_ERROR_MAX]);
struct tls_context *tls_context_ref(struct tls_context *self);
void tls_context_unref(struct tls_context *self);

SSL_CTX *tls_context_ssl(struct tls_context *self);
struct tls_verify *tls_context_verify(struct tls_context *self);

/* True when SELF was made from the very same bytes as MATERIAL: a new one would be no different. */
bool tls_context_is_made_of(const struct tls_context *self, const struct tls_material *material);

/* When the first CRL runs out; 0 when none is configured. */
time_t tls_context_crl_expires(const struct tls_context *self);

/* True when the full handshake behind SESSION is older than the session lifetime. */
bool tls_context_session_is_old(const struct tls_context *self, SSL_SESSION *session);

#endif
