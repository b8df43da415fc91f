/*
 * The client CAs of a generation: those of the file that are in use, by name.
 *
 * One that has expired is left out, and with it one of which the file says that it was issued by
 * that one alone. A CA whose issuer is not in the file is a trust anchor as a root is.
 */
#ifndef GATEWAY_TLS_CAS_H
#define GATEWAY_TLS_CAS_H

#include <openssl/x509.h>
#include <stdbool.h>

#include "base/buffer.h"
#include "crypto/pem.h"

struct tls_cas;

/* Reads the certificates of FILE. All must be CAs' and valid already, and one still valid. What is
 * left out is named in NOTES, a line each. NULL, with ERROR filled ("file: what"), when anything is
 * wrong. */
struct tls_cas *tls_cas_read(
    const struct pem *file, struct buffer *notes, char error[PEM_ERROR_MAX]);
void tls_cas_free(struct tls_cas *self);

/* As long as SELF: those in use, and all of the file. */
const STACK_OF(X509) * tls_cas_in_use(const struct tls_cas *self);
const STACK_OF(X509) * tls_cas_all(const struct tls_cas *self);

/* Which certificate of the file CA, one of them, is, from 1; and the same with its name, for
 * messages, valid until the next call. */
int tls_cas_number(const struct tls_cas *self, const X509 *ca);
const char *tls_cas_label(const struct tls_cas *self, const X509 *ca);

/* The canonical name of the Nth CA in use; "": it has none. */
const char *tls_cas_name(const struct tls_cas *self, int n);

/* True when CERTIFICATE is one of those in use. */
bool tls_cas_has(const struct tls_cas *self, const X509 *certificate);

/* True when one of CERTIFICATES has the name of CA and another key. */
bool tls_cas_has_namesake(const STACK_OF(X509) * certificates, const X509 *ca);

#endif
