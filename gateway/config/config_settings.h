/*
 * A configuration in force as text, one "KEY: VALUE" a line, every key with the value it has, also
 * by default; and what differs between two such texts.
 *
 * Values are written in one way whatever the file says: 60s is 1m. Paths are complete. Where the
 * names of stores lead is not among them.
 */
#ifndef GATEWAY_CONFIG_SETTINGS_H
#define GATEWAY_CONFIG_SETTINGS_H

#include <stdbool.h>

#include "base/buffer.h"
#include "config_types.h"

/* Appends the settings of CONFIG. */
void config_settings_print(const struct config *config, struct buffer *out);

struct config_change {
	const char *key, *before, *after;
	bool needs_restart; /* a reload cannot make it */
};
typedef void config_change_fn(const struct config_change *change, void *arg);

/* Calls FN for each key that differs between BEFORE and AFTER, two texts of settings, perhaps of
 * different releases. Returns how many of them need a restart. */
unsigned config_settings_compare(
    const char *before, const char *after, config_change_fn *fn, void *arg);

#endif
