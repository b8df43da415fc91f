/*
 * mirrorgate.yaml at a reload: read again, taken or not, and remembered for `mirrorgate --diff`.
 */
#ifndef GATEWAY_CONFIGURATION_H
#define GATEWAY_CONFIGURATION_H

#include "gateway/config/config.h"

/* What the file of CURRENT, the configuration in force, says now; another reference to CURRENT when
 * it has not changed. NULL, with problems added, when it cannot be loaded or when it changes what
 * only a restart can: each such key is a problem. */
struct config *configuration_take(struct config *current, struct problems *problems);

/* Logs each key that differs. */
void configuration_log_change(const struct config *before, const struct config *after);

/* Makes state_dir, if there is one, remember what CONFIG, which is in force, says. When it cannot,
 * that is logged. */
void configuration_remember(const struct config *config);

/* Prints what a reload with CONFIG would change against what its state_dir remembers. Returns the
 * exit status: success when it could. */
int configuration_diff(const struct config *config);

#endif
