/* The key exchange groups of gate and `spot`: one list, whatever openssl.cnf says. */
#ifndef CRYPTO_TLS_GROUPS_H
#define CRYPTO_TLS_GROUPS_H

#include <openssl/ssl.h>

/* Where this OpenSSL has it (3.5), the hybrid X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem) comes
 * first, and a client sends a share of X25519, too, so that a peer without the hybrid costs no
 * second round trip. Then X25519, P-256, X448, P-384 and P-521. */
void tls_groups_set(SSL_CTX *context);

/* The group of the key exchange, by the name that OpenSSL and RFC 8446 give it. NULL when there was
 * none: before the handshake, or in a resumed session of TLS 1.2. Static. */
const char *tls_groups_name(SSL *ssl);

#endif
