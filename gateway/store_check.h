/*
 * One active check of one store server: connect, and when a probe path is configured, ask for
 * it; any HTTP answer below 500 counts as up.
 */
#ifndef GATEWAY_STORE_CHECK_H
#define GATEWAY_STORE_CHECK_H

#include <stdbool.h>

#include "config.h"

struct ev_loop;
struct store_check;

typedef void store_check_fn(void *arg, bool up);

/* Starts a check that ends within TIMEOUT seconds by calling FN once, unless freed before; after
 * the call the check must be freed. PROBE NULL: a connection is enough. */
struct store_check *store_check_start(struct ev_loop *loop, const struct config_store *store,
    const char *probe, double timeout, store_check_fn *fn, void *arg);
void store_check_free(struct store_check *self);

/* Opens a non-blocking connection. Returns the socket, or -1 with errno; *CONNECTED is false
 * while it is still in progress. */
int store_check_connect(const struct config_store *store, bool *connected);

#endif
