/*
 * A generation's credentials for the store.
 */
#ifndef GATEWAY_GENERATION_CREDENTIALS_H
#define GATEWAY_GENERATION_CREDENTIALS_H

#include <stdbool.h>

#include "base/problems.h"
#include "gateway/config/config.h"
#include "generation.h"

/* A sealed memfd of the file of `store.credentials`, checked. -1 when the configuration names none,
 * or, with a problem added, when it cannot be used: also when any user may read it. */
int generation_credentials_take(const struct config *config, struct problems *problems);

/* Sets *FIELD to the value of the Authorization field for the store, the caller's; NULL when there
 * are no credentials. False with errno set. */
bool generation_credentials_open(const struct generation *self, char **field);

#endif
