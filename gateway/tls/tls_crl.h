/*
 * The revocation lists of the client CAs: taken only when they can be relied on, and known by the
 * CA, name and key, that issued them, so that none goes back.
 */
#ifndef GATEWAY_TLS_CRL_H
#define GATEWAY_TLS_CRL_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <time.h>

#include "crl_text.h"
#include "crypto/crl.h"
#include "crypto/digest.h"
#include "crypto/pem.h"
#include "tls_cas.h"

struct tls_crl;

/* Reads the lists of PEM into STORE, which already trusts CAS; both must outlive the result. Every
 * list of these CAs must be signed by one of them, be current and complete, and carry no unknown
 * critical extension, and every CA must have one with which OpenSSL lets a client in. Lists of
 * other CAs, and of those that have expired, are left out, and NOTES says so, a line each. NULL,
 * with ERROR filled ("file: what"), when anything is wrong; STORE is then not to be used. */
struct tls_crl *tls_crl_new(X509_STORE *store, const struct tls_cas *cas, const struct pem *pem,
    struct buffer *notes, char error[PEM_ERROR_MAX]);
void tls_crl_free(struct tls_crl *self);

/* NULL, or a static text when a CRL of SELF is older (crl_compare_age()) than one of the same CA,
 * by name and key, in PREVIOUS: an old list would bring revoked certificates back. PREVIOUS was
 * good once; it may have expired since. */
const char *tls_crl_went_back(const struct tls_crl *self, const struct pem *previous);

/* The lists in force, as long as SELF. */
const STACK_OF(X509_CRL) * tls_crl_lists(const struct tls_crl *self);

/* The lists in force as PEM; SELF's own, to be referenced by who keeps it. */
struct crl_text *tls_crl_text(const struct tls_crl *self);

/* When the first CRL runs out. */
time_t tls_crl_expires(const struct tls_crl *self);

/* The number of one CA's list, as far as it is remembered. Names that OpenSSL takes for the same
 * have the same hash; together with the key that is a CA. */
struct tls_crl_number {
	char name[9];                           /* as `openssl x509 -subject_hash` prints it */
	char key[DIGEST_SHA256_SIZE];           /* of the CA's SubjectPublicKeyInfo */
	char number[2 * CRL_NUMBER_OCTETS + 1]; /* upper-case hex, an even count of digits; "":
	                                         * the list has none, and its date counts */
	long long issued;                       /* seconds; 0: not known */
};
typedef void tls_crl_number_fn(const struct tls_crl_number *number, void *arg);

/* Calls FN for each list in force; for one of a CA that was renewed with its key, and is there
 * twice, so often. False when OpenSSL could not tell: then not all were shown. */
bool tls_crl_each_number(const struct tls_crl *self, tls_crl_number_fn *fn, void *arg);

#endif
