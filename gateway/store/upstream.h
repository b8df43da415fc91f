/*
 * Connections to the store: opened, kept alive, shared out, given up.
 *
 * One struct upstream serves one worker, until a configuration with another store is in force. An
 * active connection belongs to one exchange. After a clean exchange it waits in the pool, where a
 * byte or an end from the store discards it. Which servers are passed over is in store_servers.h.
 */
#ifndef GATEWAY_UPSTREAM_H
#define GATEWAY_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/config/config.h"
#include "gateway/node/metrics.h"
#include "store_access.h"

struct ev_loop;
struct store_server;
struct upstream;
struct upstream_connection;

/* How an active connection tells its exchange what happened. Each is called as the last thing of
 * an event, so it may release or discard the connection. */
struct upstream_events {
	void (*on_ready)(void *arg); /* connected, and the server is whom it should be: send */
	void (*on_unreachable)(
	    void *arg); /* no server could be connected; the connection is gone */
	void (*on_readable)(void *arg);
	void (*on_writable)(void *arg); /* while upstream_want_write() is on */
};

/* Refers to CONFIG and ACCESS' tls for as long as it is there; the credentials are copied. */
struct upstream *upstream_new(struct ev_loop *loop, struct config *config,
    const struct store_access *access, struct metrics *metrics, unsigned worker);
struct upstream *upstream_ref(struct upstream *self);
/* With the last reference no connection may be active. */
void upstream_unref(struct upstream *self);

/* Another store is in force: SELF serves the exchanges that have begun, and keeps no connection
 * after them. */
void upstream_retire(struct upstream *self);

/* True when a new one, of CONFIG and ACCESS, would be no different. */
bool upstream_serves(
    const struct upstream *self, const struct config *config, const struct store_access *access);
const struct store_access *upstream_access(const struct upstream *self);

/* As store_servers_on_lost(). */
void upstream_on_lost(struct upstream *self, void (*fn)(void *arg), void *arg);

/* Tells where each server is now. What waits in the pool for a server that has moved is closed;
 * what is active goes on. */
void upstream_move(struct upstream *self, const struct config_endpoints *all);

/* Takes a connection from the pool, or opens one (always, when FRESH) to a server that is not in
 * TRIED; each that is tried joins it. NULL: every server refused at once, or was tried before. When
 * upstream_is_ready() is false, on_ready or on_unreachable follows. TRIED lives as long as the
 * connection is active. */
struct upstream_connection *upstream_acquire(struct upstream *self, bool fresh, uint64_t *tried,
    const struct upstream_events *events, void *arg);

/* Back to the pool: only after an exchange that left nothing on the connection. */
void upstream_release(struct upstream_connection *connection);
void upstream_discard(struct upstream_connection *connection);

bool upstream_is_ready(const struct upstream_connection *connection);
bool upstream_was_reused(const struct upstream_connection *connection);
/* Of one that is ready: as recv() and send(); see store_link.h. */
ssize_t upstream_receive(struct upstream_connection *connection, char *bytes, size_t n);
ssize_t upstream_send(struct upstream_connection *connection, const char *bytes, size_t n);
/* Why upstream_receive() gave RECEIVED, 0 or -1 with ERROR; valid as long as the connection. */
const char *upstream_why(const struct upstream_connection *connection, ssize_t received, int error);
struct store_server *upstream_server(const struct upstream_connection *connection);
const struct config_store *upstream_store(const struct upstream_connection *connection);

/* A new connection reads at once; an exchange stops that while its client is slow. */
void upstream_want_read(struct upstream_connection *connection, bool want);
void upstream_want_write(struct upstream_connection *connection, bool want);

/* False when every server fails its checks or cannot be connected, and none was found again. */
bool upstream_is_available(const struct upstream *self);
/* True when there is a server that is not in TRIED. */
bool upstream_has_untried(const struct upstream *self, uint64_t tried);
/* True when there is a server that is neither unreachable nor ejected. */
bool upstream_has_good(const struct upstream *self);

#endif
