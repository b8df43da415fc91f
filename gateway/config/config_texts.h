/*
 * All texts of a configuration, one after the other: for who copies or frees them. Private to
 * gateway/config.
 */
#ifndef GATEWAY_CONFIG_TEXTS_H
#define GATEWAY_CONFIG_TEXTS_H

#include "config_types.h"

/* Calls FN for each, in an order that depends on the lengths of SELF's lists only. */
void config_texts_each(struct config *self, config_text_fn *fn, void *arg);

#endif
