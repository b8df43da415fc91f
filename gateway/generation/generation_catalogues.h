/*
 * The catalogues of a generation that is being built: read, or those of the one before.
 */
#ifndef GATEWAY_GENERATION_CATALOGUES_H
#define GATEWAY_GENERATION_CATALOGUES_H

#include <stdbool.h>

#include "base/problems.h"
#include "gateway/config/config.h"
#include "generation.h"

/* True when the catalogues that BEFORE wants are those that AFTER wants: from the same folder, by
 * the same signer, for the same use. */
bool generation_catalogues_may_stay(const struct config *before, const struct config *after);

/* The catalogues of the products in the policy of SELF, read as far as they have changed since
 * PREVIOUS (NULL, or without any: since what state_dir remembers). A sealed memfd; -1 with problems
 * added. */
int generation_catalogues_take(const struct generation *self, const struct generation *previous,
    const struct config *config, struct problems *problems);

/* The catalogues of PREVIOUS for the products in the policy of SELF, without a look at any: a
 * revocation must not wait until one is read. When it is one of the certificate that signs them,
 * they are to be read at once afterwards (generation_catalogues_have_changed()). As above. */
int generation_catalogues_keep(const struct generation *self, const struct generation *previous,
    const struct config *config, struct problems *problems);

/* True when catalogues are checked and a look at their files says that another generation should
 * be built. Takes a few system calls for each version of each product. */
bool generation_catalogues_have_changed(const struct generation *self, const struct config *config);

#endif
