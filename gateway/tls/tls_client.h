/*
 * The client side of TLS, towards the store: whom the gate believes there, and as whom it comes.
 *
 * TLS 1.2 and 1.3 with the ciphers of HIGH at most, security level 2, no renegotiation, no early
 * data, no ALPN. A server is believed when its certificate comes from the CAs of the file given
 * (never the system's), is for the name that the peer was made with, which no subject can stand in
 * for, and, with pins, has one of these public keys. One session of each server is kept and offered
 * again, for an hour from its full handshake and no longer than its certificate is valid.
 */
#ifndef GATEWAY_TLS_CLIENT_H
#define GATEWAY_TLS_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "crypto/pem.h"

struct tls_client;      /* counted references */
struct tls_client_peer; /* one server */

struct tls_client_material {
	struct pem ca, certificate, key; /* CERTIFICATE and KEY: both, or neither */
	const char *pins; /* "sha256//BASE64", any number, a space between two; NULL: any key */
};

/* NULL, with ERROR filled ("file: what is wrong"), when any part is unusable. */
struct tls_client *tls_client_new(
    const struct tls_client_material *material, char error[PEM_ERROR_MAX]);
struct tls_client *tls_client_ref(struct tls_client *self);
void tls_client_unref(struct tls_client *self);

/* True when SELF was made from the very same as MATERIAL. */
bool tls_client_is_made_of(
    const struct tls_client *self, const struct tls_client_material *material);

/* A server whose certificate must be for NAME, a host name or a numeric address. The session is
 * kept here. Every connection to it must be gone before it is freed. */
struct tls_client_peer *tls_client_peer_new(struct tls_client *client, const char *name);
void tls_client_peer_free(struct tls_client_peer *self);

/* ---- for tls_client_stream.c ---- */

/* A new connection of SELF, ready for its handshake, and with the session that is kept; its app
 * data is SELF. */
SSL *tls_client_peer_connect(struct tls_client_peer *self);
/* Its handshake is complete, or has failed. */
void tls_client_peer_connected(struct tls_client_peer *self, SSL *ssl);
void tls_client_peer_failed(struct tls_client_peer *self);

#endif
