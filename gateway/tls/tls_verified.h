/*
 * Whom certain rules have let in already, and until when they would.
 *
 * A session is verified anew whenever it is resumed, twice: before it is taken up, and when the
 * handshake is done; and before that, in the full handshake it comes from. As long as the rules are
 * the same bytes, which is as long as their tls_context is, only the clock can change the answer.
 * So what was good once is good until the first of the dates that were looked at: the
 * certificate's, the CAs', the lists'. A clock that goes back ends what is kept here. A new CA, a
 * new list is a new context, which begins with nothing.
 */
#ifndef GATEWAY_TLS_VERIFIED_H
#define GATEWAY_TLS_VERIFIED_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "identity.h"

struct tls_verified;

/* Keeps at most MAX certificates; who came longest ago goes first. */
struct tls_verified *tls_verified_new(size_t max);
void tls_verified_free(struct tls_verified *self);

/* LEAF was found good NOW, as IDENTITY, and stays so until UNTIL. IDENTITY's issuer stays the
 * caller's, and outlives SELF. */
void tls_verified_add(struct tls_verified *self, const X509 *leaf, const struct identity *identity,
    time_t now, time_t until);

/* Fills IDENTITY when that very certificate was found good and still is. */
bool tls_verified_find(
    struct tls_verified *self, const X509 *leaf, time_t now, struct identity *identity);

size_t tls_verified_count(const struct tls_verified *self);

#endif
