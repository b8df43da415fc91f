/*
 * Revocation lists: of which CA one is, whether it can be relied on, and whom it revokes.
 *
 * This is the one definition, for the gate and for `spot`.
 */
#ifndef CRYPTO_CRL_H
#define CRYPTO_CRL_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <time.h>

#include "pem.h"

enum { CRL_NUMBER_OCTETS = 20 }; /* of a CRL number (RFC 5280, 5.2.3) */

/* Reads all lists of a file (bundle.h), in its order; there may be none. Nothing is checked. NULL,
 * with ERROR filled ("file: what"), when anything is broken. */
STACK_OF(X509_CRL) * crl_read(const struct pem *pem, char error[PEM_ERROR_MAX]);
void crl_free(STACK_OF(X509_CRL) * lists);

/* True when CRL is CA's: by name, by key, and by what the key may be used for. */
bool crl_is_of(X509_CRL *crl, X509 *ca);

/* True when one of CAS has signed CRL. */
bool crl_has_issuer(X509_CRL *crl, const STACK_OF(X509) * cas);

/* NULL, or why CRL, whose issuer is known, cannot be relied on now ("has expired"): it must be
 * complete, signed with SHA-256 or better, current, with an end, and without a critical extension
 * that is not known or a CRL number that is none. Static. */
const char *crl_defect(X509_CRL *crl);

/* Below 0 when A, of the same CA, is older than B, above 0 when it is newer: by their CRL numbers,
 * or where one of them has none by the dates of their issue. */
int crl_compare_age(const X509_CRL *a, const X509_CRL *b);

/* True when LISTS hold a later list of the one of CAS that CRL is of. That is the one whose key
 * signed: after a re-key two have the same name, and each counts its own numbers. */
bool crl_is_superseded(X509_CRL *crl, const STACK_OF(X509_CRL) * lists, const STACK_OF(X509) * cas);

/* When CRL was issued, and when it runs out; 0: it does not say so, or not in a way to be read. */
time_t crl_issued(const X509_CRL *crl);
time_t crl_expires(const X509_CRL *crl);

/* True when one of LISTS, which were checked once, names CERTIFICATE as revoked. A list is of the
 * certificate's issuer by its name and, when both tell it, by its key. LISTS may be NULL, and may
 * have expired since: what is revoked stays so. */
bool crl_revokes(const STACK_OF(X509_CRL) * lists, X509 *certificate);

#endif
