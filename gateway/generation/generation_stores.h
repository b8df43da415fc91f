/*
 * A generation's addresses of the stores: those that the configuration found when it was loaded,
 * until the names are looked up again and lead elsewhere.
 */
#ifndef GATEWAY_GENERATION_STORES_H
#define GATEWAY_GENERATION_STORES_H

#include "base/problems.h"
#include "gateway/config/config.h"
#include "generation.h"

/* The addresses of each store of CONFIG in SELF, the caller's to free. NULL with errno set. */
struct config_endpoints *generation_stores_open(
    const struct generation *self, const struct config *config);

/* For CONFIG, which is to follow that of PREVIOUS: where its stores are, those that PREVIOUS has as
 * it has them, sealed. -1, with a problem added, when that cannot be kept. */
int generation_stores_carry_over(
    const struct generation *previous, const struct config *config, struct problems *problems);

/* Looks the names of the stores up, which may block, and seals what is found. A name that cannot be
 * looked up keeps what it has in PREVIOUS. Logs what has changed and what failed. -1 when nothing
 * has changed; or, with a problem added, when that cannot be kept. */
int generation_stores_look_up(
    const struct generation *previous, const struct config *config, struct problems *problems);

#endif
