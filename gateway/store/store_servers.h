/*
 * The servers of the store. One that is well is taken, in turn; when none is, the least bad one.
 */
#ifndef GATEWAY_STORE_SERVERS_H
#define GATEWAY_STORE_SERVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/config/config.h"
#include "gateway/node/metrics.h"
#include "store_server.h"

struct ev_loop;
struct store_servers;
struct store_access;

/* ACCESS outlives it. */
struct store_servers *store_servers_new(struct ev_loop *loop, const struct config *config,
    const struct store_access *access, struct metrics *metrics, unsigned worker);
void store_servers_free(struct store_servers *self);

/* FN is called whenever an address or a server of a name fails; the names may have new addresses.
 */
void store_servers_on_lost(struct store_servers *self, void (*fn)(void *arg), void *arg);

/* Others are in force: nobody is checked any more, and nothing is counted or told. */
void store_servers_retire(struct store_servers *self);

/* The best server of those that are not in TRIED, in turn among equals; it joins them. Bit I is
 * server I. NULL when all were tried. */
struct store_server *store_servers_pick(struct store_servers *self, uint64_t *tried);

/* False when every server fails its checks or cannot be connected. */
bool store_servers_is_available(const struct store_servers *self);

bool store_servers_has_untried(const struct store_servers *self, uint64_t tried);
/* True when there is one that is neither unreachable nor ejected. */
bool store_servers_has_good(const struct store_servers *self);

/* Gives server INDEX other addresses. False when they are those that it has. */
bool store_servers_move(
    struct store_servers *self, size_t index, const struct config_endpoints *endpoints);

#endif
