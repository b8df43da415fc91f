/*
 * mirrorgate.yaml, loaded and checked (design, section 7).
 */
#ifndef GATEWAY_CONFIG_H
#define GATEWAY_CONFIG_H

#include <stdbool.h>

#include "base/problems.h"
#include "config_types.h"

/* Loads and checks FILE. Returns NULL, with PROBLEMS filled, when anything is wrong; all problems
 * of the file are reported in one run. Ports other than 443 are a problem unless UNSAFE_ANY_PORT.
 * Does not open the files that the configuration names, but resolves the names of store servers,
 * which may block. */
struct config *config_load(const char *file, bool unsafe_any_port, struct problems *problems);
/* Loads the file of SELF again, as config_load() does. When its bytes are the same, this is another
 * reference to SELF. Names of stores that SELF has are not looked up again, which could take long.
 */
struct config *config_load_again(struct config *self, struct problems *problems);
struct config *config_ref(struct config *self);
/* Gives a reference up. */
void config_free(struct config *self);

/* True when downloads are to be held against catalogues. */
bool config_checks_catalogues(const struct config *self);

#endif
