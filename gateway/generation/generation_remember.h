/*
 * What state_dir remembers of a generation, so that nothing goes back across a restart.
 */
#ifndef GATEWAY_GENERATION_REMEMBER_H
#define GATEWAY_GENERATION_REMEMBER_H

#include <stdbool.h>

#include "base/problems.h"
#include "gateway/config/config.h"
#include "generation.h"
#include "policy/policy.h"

/* Adds a problem when POLICY, which is that of SELF, is older than what is remembered. */
void generation_remember_check(const struct generation *self, const struct policy *policy,
    const struct config *config, struct problems *problems);
/* Makes state_dir, when there is one, remember the policy of SELF, which generation_build() made,
 * and the numbers of its revocation lists. To be called before SELF goes live; false, with a
 * problem added, when it may not. */
bool generation_remember(
    const struct generation *self, const struct config *config, struct problems *problems);
/* The same for the versions that have a good catalogue in SELF. */
bool generation_remember_catalogues(
    const struct generation *self, const struct config *config, struct problems *problems);

#endif
