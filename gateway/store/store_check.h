/*
 * One active check of one address of a store server: connect, over TLS where it is asked so, and
 * when a probe path is configured, ask for it; any HTTP answer below 500 counts as up.
 */
#ifndef GATEWAY_STORE_CHECK_H
#define GATEWAY_STORE_CHECK_H

#include <stdbool.h>

#include "gateway/config/config.h"

struct ev_loop;
struct store_check;
struct tls_client_peer;

typedef void store_check_fn(void *arg, bool up);

struct store_check_order {
	const struct config_store *store;       /* outlives the check */
	const struct config_endpoint *endpoint; /* of its, where it is checked */
	const char *probe;            /* NULL: a connection is enough; outlives the check */
	const char *credentials;      /* NULL: none; as upstream_new() has them, outlive it */
	struct tls_client_peer *peer; /* NULL: plain; outlives the check */
	double timeout;               /* seconds */
};

/* Starts a check that ends within the timeout by calling FN once, unless freed before; after the
 * call the check must be freed. */
struct store_check *store_check_start(
    struct ev_loop *loop, const struct store_check_order *order, store_check_fn *fn, void *arg);
void store_check_free(struct store_check *self);

#endif
