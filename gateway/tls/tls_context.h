/*
 * The server side of TLS for one generation: certificate, key, ciphers, verify rules, sessions.
 *
 * TLS 1.2 and 1.3 only, client certificates always, security level 2 whatever the system says,
 * no renegotiation, no compression, no early data, http/1.1 the only ALPN protocol. Sessions
 * travel in tickets, so that any worker and any node with the same ticket keys can resume them;
 * clients without tickets (TLS 1.2 session ids) have theirs kept in this process (tls_sessions.h).
 * Either kind is bound to the verify rules, and a resumed client is verified again.
 */
#ifndef GATEWAY_TLS_CONTEXT_H
#define GATEWAY_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "tls_verify.h"

struct tls_context; /* counted references */

/* Without a key, another process has it and signs; see tls_remote_key.h. */
struct tls_material {
	struct pem certificate, key, client_ca, crl, ticket_keys;
};

struct tls_options {
	bool high_ciphers;             /* HIGH:!aNULL:!kRSA instead of the ECDHE AEAD suites */
	long session_lifetime;         /* seconds, from the full handshake */
	size_t session_cache;          /* bytes of sessions of clients that have no tickets */
	size_t client_certificates;    /* bytes of certificates that a client may send */
	unsigned records_without_data; /* see tls_stream.h */
};

/* NULL, with ERROR filled ("file: what is wrong"), when any part is unusable. */
struct tls_context *tls_context_new(const struct tls_material *material,
    const struct tls_options *options, char error[TLS_ERROR_MAX]);
struct tls_context *tls_context_ref(struct tls_context *self);
void tls_context_unref(struct tls_context *self);

SSL_CTX *tls_context_ssl(struct tls_context *self);
struct tls_verify *tls_context_verify(struct tls_context *self);
/* Then a handshake may have to wait for a signature. */
bool tls_context_has_remote_key(const struct tls_context *self);

/* True when SELF was made from the very same bytes as MATERIAL, with the same OPTIONS: a new one
 * would be no different. */
bool tls_context_is_made_of(const struct tls_context *self, const struct tls_material *material,
    const struct tls_options *options);

/* When the first CRL runs out; 0 when none is configured. */
time_t tls_context_crl_expires(const struct tls_context *self);

/* When the server certificate, or one that is sent with it, runs out. */
time_t tls_context_certificate_expires(const struct tls_context *self);
/* When the first of the client CAs does. */
time_t tls_context_client_ca_expires(const struct tls_context *self);

/* Makes sure that SESSION is not resumed any more, when that is in our hands. */
void tls_context_forget_session(struct tls_context *self, const SSL_SESSION *session);

/* Another context is in force: SELF serves those who are connected, and has no session for others.
 * Else each reload that one connection outlives would hold another cache full of them. */
void tls_context_retire(struct tls_context *self);

/* Verifies LEAF, which came with a session, as tls_verify_certificate() does without a chain. By
 * the same rules at the same time the answer is the same, so that it is remembered
 * (tls_verified.h). */
const char *tls_context_verify_resumed(
    struct tls_context *self, X509 *leaf, struct identity *identity);

/* CHAIN, from a client's certificate on, has just been found good in a full handshake, as IDENTITY:
 * when it is good without what the client sent, its sessions need not be verified from the start.
 */
void tls_context_verified(
    struct tls_context *self, const STACK_OF(X509) * chain, const struct identity *identity);

/* Records that a client may send without application data; see tls_stream.h. */
unsigned tls_context_records_without_data(const struct tls_context *self);

/* True when the full handshake behind SESSION was older than the session lifetime at BEGAN, or is
 * not over yet by the clock. Who takes a session up and who looks again when the handshake is done
 * must come to the same answer: BEGAN is when the handshake did. */
bool tls_context_session_is_old(const struct tls_context *self, SSL_SESSION *session, time_t began);

#endif
