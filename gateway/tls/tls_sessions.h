/*
 * Sessions of clients that have no tickets (TLS 1.2 session ids, RFC 5246, 7.4.1.2), kept by one
 * worker as bytes: a session in use holds whatever certificates its client sent, parsed, but one
 * that waits here only what its resumption needs, which is the leaf. Bounded in bytes; the oldest
 * go first.
 */
#ifndef GATEWAY_TLS_SESSIONS_H
#define GATEWAY_TLS_SESSIONS_H

#include <openssl/ssl.h>
#include <stddef.h>

struct tls_sessions;

/* Keeps at most MAX_BYTES, its own tables not counted; 0: none at all. */
struct tls_sessions *tls_sessions_new(size_t max_bytes);
void tls_sessions_free(struct tls_sessions *self);

/* Makes CONTEXT keep its sessions in SELF, which outlives it. */
void tls_sessions_install(struct tls_sessions *self, SSL_CTX *context);

/* Forgets SESSION: it may not be resumed any more. */
void tls_sessions_forget(struct tls_sessions *self, const SSL_SESSION *session);

/* Forgets all of them, and keeps none from now on: nobody can come back to CONTEXT, though some may
 * still be connected. */
void tls_sessions_retire(struct tls_sessions *self);

size_t tls_sessions_bytes(const struct tls_sessions *self);

#endif
