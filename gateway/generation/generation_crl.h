/*
 * The revocation lists of a generation, which never go back.
 */
#ifndef GATEWAY_GENERATION_CRL_H
#define GATEWAY_GENERATION_CRL_H

#include "base/problems.h"
#include "gateway/config/config.h"
#include "gateway/tls/tls_crl.h"
#include "generation.h"

/* Adds a problem when CRL goes back, against PREVIOUS, which may be NULL, or against what was in
 * force before a restart. */
void generation_crl_check(const struct tls_crl *crl, const struct generation *previous,
    const struct config *config, struct problems *problems);

#endif
