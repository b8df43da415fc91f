/*
 * Requests to the update servers.
 *
 * All requests of a run go through one struct https, which keeps the connection. A request that
 * fails in a way that may pass is sent again, to the next server of the configuration, after a
 * pause; one that was refused is not.
 */
#ifndef CLIENT_HTTPS_H
#define CLIENT_HTTPS_H

#include <stdbool.h>
#include <stddef.h>

#include "../policy/buffer.h"
#include "config.h"
#include "failure.h"

struct https;

/* CONFIG must outlive the result; NULL with FAILURE filled when its files cannot be used. */
struct https *https_new(const struct config *config, struct failure *failure);
void https_free(struct https *self);

/* Gets PATH, at most MAX bytes, into BODY, which is empty. Returns false, with FAILURE filled and
 * BODY empty, unless the server answered 200 and the answer was whole. */
bool https_get(
    struct https *self, const char *path, size_t max, struct buffer *body, struct failure *failure);

#endif
