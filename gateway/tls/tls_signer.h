/*
 * A private key that signs what a TLS server signs, and nothing else. For the process that alone
 * has it; nothing here decrypts.
 */
#ifndef GATEWAY_TLS_SIGNER_H
#define GATEWAY_TLS_SIGNER_H

#include "crypto/pem.h"
#include "tls_signing.h"

struct tls_signer;

/* NULL with ERROR filled when FILE holds no key that TLS can use. */
struct tls_signer *tls_signer_new(const struct pem *file, char error[PEM_ERROR_MAX]);
void tls_signer_free(struct tls_signer *self);

/* Its name; see tls_signing_key_name(). */
const unsigned char *tls_signer_name(const struct tls_signer *self);

/* Fills ANSWER to REQUEST, which is whole, but else may be anything. */
void tls_signer_answer(struct tls_signer *self, const struct tls_signing_request *request,
    struct tls_signing_answer *answer);

#endif
