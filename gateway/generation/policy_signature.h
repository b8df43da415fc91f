/*
 * The signature of the policy file, and whether its certificate may still sign.
 */
#ifndef GATEWAY_POLICY_SIGNATURE_H
#define GATEWAY_POLICY_SIGNATURE_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/problems.h"
#include "crypto/crl.h"
#include "gateway/config/config.h"

/* True when the LEN bytes, what the policy file held, are signed as CONFIG, which has a
 * `policy_signer`, asks, revocation aside. The signer's file, as it was read, is then in SIGNER,
 * which is empty. Adds a problem otherwise. */
bool policy_signature_check(const struct config *config, const char *bytes, size_t len,
    struct buffer *signer, struct problems *problems);

/* Adds a problem when LISTS revoke SIGNER, what policy_signature_check() filled in or nothing. A
 * policy that IS_IN_FORCE already goes on, with a line in the log: the lists that come with it must
 * get through, and it was signed before them. */
void policy_signature_check_revocation(const struct config *config, const struct buffer *signer,
    const STACK_OF(X509_CRL) * lists, bool is_in_force, struct problems *problems);

#endif
