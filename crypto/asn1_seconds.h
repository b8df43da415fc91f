/* Dates of certificates and lists (RFC 5280, 4.1.2.5) as seconds since 1970. */
#ifndef CRYPTO_ASN1_SECONDS_H
#define CRYPTO_ASN1_SECONDS_H

#include <openssl/asn1.h>
#include <time.h>

/* 0, which is long over, when WHEN is NULL or no date. */
time_t asn1_seconds(const ASN1_TIME *when);

#endif
