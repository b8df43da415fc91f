/*
 * Keys of session tickets (RFC 5077; RFC 8446, 4.6.1).
 *
 * The text is what `certs/pki ticket-keys` writes and HAProxy reads: a line for each key, 80 bytes
 * in base64 (RFC 4648, 4). The first 16 bytes are its name, 32 the AES-256 key, 32 the HMAC-SHA256
 * key. The first key encrypts; tickets of the others are taken and renewed. Lines that are empty
 * or begin with # are passed over.
 */
#ifndef GATEWAY_TLS_TICKETS_H
#define GATEWAY_TLS_TICKETS_H

#include <openssl/ssl.h>

#include "tls_verify.h"

enum {
	TLS_TICKETS_MAX = 16,      /* keys in a file */
	TLS_TICKETS_KEY_TEXT = 108 /* characters of one key */
};

struct tls_tickets;

/* NULL, with ERROR filled ("file:line: what"), when there is no key, or one is not 80 bytes in
 * base64, is made of zeros, or repeats a part of another. */
struct tls_tickets *tls_tickets_new(const struct pem *text, char error[TLS_ERROR_MAX]);
/* Forgets the keys. After the last SSL_CTX they were installed in. */
void tls_tickets_free(struct tls_tickets *self);

/* Makes CTX use these keys. They stay the caller's. */
void tls_tickets_install(struct tls_tickets *self, SSL_CTX *ctx);

/* Fills TEXT with one random key as a line, without its end. */
void tls_tickets_random_key(char text[TLS_TICKETS_KEY_TEXT + 1]);

#endif
