/*
 * The keys of mirrorgate.yaml with a single value. Private to config.c.
 */
#ifndef GATEWAY_CONFIG_SCALARS_H
#define GATEWAY_CONFIG_SCALARS_H

#include "config_loader.h"

/* Fills all of the configuration but its lists, defaults included, and adds every problem. */
void config_scalars_load(struct config_loader *self);

/* Frees what config_scalars_load() put there. */
void config_scalars_free(struct config *config);

#endif
