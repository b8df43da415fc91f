/*
 * `spot update`: everything that spot fetch has installed on this machine, at its newest version.
 */
#ifndef CLIENT_UPDATE_H
#define CLIENT_UPDATE_H

#include <stdbool.h>

#include "client/common/config.h"
#include "client/common/failure.h"
#include "client/net/https.h"

/* Fetches the newest version of PRODUCT (NULL: of every product) into each folder that holds it by
 * the cache's records. One that fails keeps no other back, except that nobody is asked again once
 * no server can be reached or trusted; the first failure is the one that is returned. OUT gets one
 * JSON object that tells what was done in which folder, and of the failure if there is one. */
bool update_all(const struct config *config, const char *product, struct https *https,
    struct buffer *out, struct failure *failure);

#endif
