/*
 * The revocation lists that somebody who relies on certain CAs keeps: one for each of them.
 */
#ifndef CRYPTO_CRL_SET_H
#define CRYPTO_CRL_SET_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <time.h>

#include "base/buffer.h"
#include "pem.h"

struct crl_set;

/* Reads the lists in LISTS that one of the certificates in CAS signed; those of other CAs are left
 * out, and of several of one CA the newest counts. Whether they are good is
 * not looked at. NULL, with ERROR filled ("file: what"), when one cannot be read or none is left.
 */
struct crl_set *crl_set_read(
    const struct pem *lists, const struct pem *cas, char error[PEM_ERROR_MAX]);
void crl_set_free(struct crl_set *self);

/* True when each CA has a list, and each list can be relied on now (crl_defect()). False with ERROR
 * filled otherwise. */
bool crl_set_is_good(const struct crl_set *self, char error[PEM_ERROR_MAX]);

/* True when SELF may take the place of OLD, of the same CAs: no list has a lower number than the
 * one before, and none is missing that was there. False with ERROR filled otherwise. */
bool crl_set_may_follow(
    const struct crl_set *self, const struct crl_set *old, char error[PEM_ERROR_MAX]);

/* True when the lists are the very same ones. */
bool crl_set_is_same(const struct crl_set *self, const struct crl_set *other);

/* When the first of the lists runs out. */
time_t crl_set_expires(const struct crl_set *self);

/* Appends the lists as PEM, and nothing else that stood in their file. */
void crl_set_print(const struct crl_set *self, struct buffer *text);

/* As long as SELF. */
const STACK_OF(X509_CRL) * crl_set_lists(const struct crl_set *self);
const STACK_OF(X509) * crl_set_cas(const struct crl_set *self);

#endif
