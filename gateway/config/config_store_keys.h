/*
 * The store of mirrorgate.yaml: its servers, and how they are asked. Private to config.c.
 */
#ifndef GATEWAY_CONFIG_STORE_KEYS_H
#define GATEWAY_CONFIG_STORE_KEYS_H

#include "config_loader.h"

/* Fills the stores and what depends on them, and adds every problem. */
void config_store_keys_load(struct config_loader *self);

#endif
