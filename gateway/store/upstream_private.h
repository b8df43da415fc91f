/*
 * The inside of the connections to the store, for upstream.c and upstream_connect.c; everybody else
 * has upstream.h.
 */
#ifndef GATEWAY_UPSTREAM_PRIVATE_H
#define GATEWAY_UPSTREAM_PRIVATE_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "store_link.h"
#include "store_server.h"
#include "upstream.h"

enum phase { UPSTREAM_CONNECTING, UPSTREAM_ACTIVE, UPSTREAM_IDLE };

struct upstream {
	unsigned references;
	bool retired;
	struct ev_loop *loop;
	struct config *config;
	struct store_access access;
	char *credentials; /* access's */
	struct metrics *metrics;
	unsigned worker;
	struct store_servers *servers;
	struct upstream_connection *idle; /* last in, first out */
	unsigned idle_count;
};

struct upstream_connection {
	struct upstream *upstream;
	struct store_server *server;
	enum phase phase;
	bool reused, wants_read, wants_write;
	struct store_link link;
	enum store_link_state opening; /* while it is connecting */
	uint64_t *tried;               /* the exchange's; NULL in the pool */
	struct store_round round;
	ev_io reader, writer;
	ev_timer timer; /* of the connect */
	ev_timer again; /* TLS has read what the socket will not be readable for */
	struct upstream_connection *next, *previous; /* in the pool */
	const struct upstream_events *events;
	void *arg;
};

void upstream_count(struct upstream *self, enum metric metric);

/* Makes watchers of what the connection is and wants. */
void upstream_update_watchers(struct upstream_connection *connection);
void upstream_close_socket(struct upstream_connection *connection);

/* ---- upstream_connect.c ---- */

/* Starts connecting to the next address, or the one after it, until one does not refuse at once.
 * False when all have been tried. */
bool upstream_connect_next(struct upstream_connection *connection);
/* What the connecting waited for has happened; the last thing of an event, as the next is. */
void upstream_connect_go_on(struct upstream_connection *connection);
void upstream_connect_on_timeout(struct ev_loop *loop, ev_timer *timer, int events);

#endif
