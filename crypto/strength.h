/*
 * Which keys and signatures are strong enough, in every certificate and revocation list (design,
 * section 4): RSA of 2048 bits or more, the curves P-256, P-384 and P-521, and Ed25519; SHA-256,
 * SHA-384 and SHA-512.
 *
 * This is the one definition, for the gate and for `spot`.
 */
#ifndef CRYPTO_STRENGTH_H
#define CRYPTO_STRENGTH_H

#include <openssl/x509.h>
#include <stdbool.h>

/* NULL, or why KEY is not to be used in TLS. KEY may be NULL: it could not be read. Static. */
const char *strength_key_defect(const EVP_PKEY *key);

/* True when a signature by ALGORITHM is to be relied on. */
bool strength_of_signature(const X509_ALGOR *algorithm);

#endif
