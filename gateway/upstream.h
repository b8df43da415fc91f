/*
 * Connections to the store: opened, kept alive, shared out, given up.
 *
 * One struct upstream serves one worker. An active connection belongs to one exchange. After a
 * clean exchange it waits in the pool, where a byte or an end from the store discards it. A server
 * that fails is passed over until a check finds it again.
 */
#ifndef GATEWAY_UPSTREAM_H
#define GATEWAY_UPSTREAM_H

#include <stdbool.h>

#include "config.h"
#include "metrics.h"

struct ev_loop;
struct upstream;
struct upstream_connection;

/* How an active connection tells its exchange what happened. Each is called as the last thing of
 * an event, so it may release or discard the connection. */
struct upstream_events {
	void (*on_ready)(void *arg); /* connected: send */
	void (*on_unreachable)(
	    void *arg); /* no server could be connected; the connection is gone */
	void (*on_readable)(void *arg);
	void (*on_writable)(void *arg); /* while upstream_want_write() is on */
};

struct upstream *upstream_new(
    struct ev_loop *loop, const struct config *config, struct metrics *metrics, unsigned worker);
void upstream_free(struct upstream *self);

/* Takes a connection from the pool, or opens one (always, when FRESH). NULL: every server
 * refused at once. When upstream_is_ready() is false, on_ready or on_unreachable follows. */
struct upstream_connection *upstream_acquire(
    struct upstream *self, bool fresh, const struct upstream_events *events, void *arg);

/* Back to the pool: only after an exchange that left nothing on the connection. */
void upstream_release(struct upstream_connection *connection);
void upstream_discard(struct upstream_connection *connection);

bool upstream_is_ready(const struct upstream_connection *connection);
bool upstream_was_reused(const struct upstream_connection *connection);
int upstream_fd(const struct upstream_connection *connection);
const struct config_store *upstream_store(const struct upstream_connection *connection);

/* A new connection reads at once; an exchange stops that while its client is slow. */
void upstream_want_read(struct upstream_connection *connection, bool want);
void upstream_want_write(struct upstream_connection *connection, bool want);

/* False when every server has failed and none was found again since. */
bool upstream_is_available(const struct upstream *self);

#endif
