/*
 * The configuration of a generation, by which each process that has the generation goes.
 */
#ifndef GATEWAY_GENERATION_CONFIG_H
#define GATEWAY_GENERATION_CONFIG_H

#include "base/problems.h"
#include "gateway/config/config.h"
#include "generation.h"

/* A sealed memfd with CONFIG; -1 with a problem added. */
int generation_config_take(struct config *config, struct problems *problems);

/* The configuration of SELF, a reference of the caller's; NULL when it cannot be mapped. */
struct config *generation_config_open(const struct generation *self);

#endif
