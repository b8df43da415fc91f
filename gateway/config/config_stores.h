/*
 * The servers of the store in two configurations: which are the same.
 */
#ifndef GATEWAY_CONFIG_STORES_H
#define GATEWAY_CONFIG_STORES_H

#include "config_types.h"

/* The store of SELF (NULL: none) with that NAME; NULL when there is none. */
const struct config_store *config_stores_find(const struct config *self, const char *name);

/* Gives each store of SELF its slot: that of the same name in BEFORE (NULL: none), or one that
 * BEFORE has not. */
void config_stores_number(struct config *self, const struct config *before);

/* True when SLOT is one of SELF's stores'. */
bool config_stores_have_slot(const struct config *self, unsigned slot);

/* True when connections to the store of A serve B as well: the same servers in the same order,
 * counted in the same slots, and the same rules for connecting, asking, checking and passing over.
 * What is in the files that they name is not looked at. */
bool config_stores_are_same(const struct config *a, const struct config *b);

#endif
