/*
 * Who we are: the client certificate, what stands between it and a root, and its private key.
 *
 * In PEM, or both in one PKCS#12 file; the key may be encrypted when the configuration names the
 * file of its passphrase. Nobody is ever asked for one.
 */
#ifndef CLIENT_CREDENTIALS_H
#define CLIENT_CREDENTIALS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "client/common/config.h"
#include "client/common/failure.h"

struct credentials;

/* Reads those of CONFIG. NULL, with FAILURE filled as FAILURE_CONFIGURATION, when they cannot be
 * read, or certificate and key do not belong together. */
struct credentials *credentials_read(const struct config *config, struct failure *failure);
void credentials_free(struct credentials *self);

/* The certificate itself; as long as SELF. */
const X509 *credentials_certificate(const struct credentials *self);

/* Makes CONTEXT show them to servers. */
bool credentials_use(const struct credentials *self, SSL_CTX *context);

#endif
