/*
 * One client connection, from accept to close.
 *
 * It owns the socket, the TLS stream and at most one transaction at a time; pipelined requests
 * wait in its buffer and are answered in order. All the events of a connection end in one
 * function, which moves the state forward as far as it goes and then says what it waits for.
 */
#ifndef GATEWAY_CONNECTION_H
#define GATEWAY_CONNECTION_H

#include <stdbool.h>
#include <sys/socket.h>

#include "close_reason.h"
#include "gateway/node/services.h"

struct connection;

/* Called once when the connection has begun, and once when it has ended and its memory is about
 * to go. */
typedef void connection_life_fn(void *arg, struct connection *connection);

struct connection_options {
	struct services *services;
	int fd; /* owned by the connection from now on */
	const struct sockaddr_storage *address;
	const struct config_listen *listen;
	connection_life_fn *started, *ended;
	void *arg;
};

/* Starts to serve. The connection may end before this returns. */
void connection_start(const struct connection_options *options);

/* For the worker's turns: what has happened to the connection of ENTRY is done. It may end. */
struct fair_entry;
void connection_turn(struct fair_entry *entry);

/* The worker's list of its connections: the links belong to whoever holds the list. */
struct connection_links {
	struct connection *next, *previous;
};
struct connection_links *connection_links(struct connection *self);

/* For the metrics: how many connections are in which state. Zero it, count each connection, and
 * set what they come to. */
struct connection_states {
	uint32_t open[METRICS_STATES];
};
void connection_count_state(const struct connection *self, struct connection_states *states);
void connection_count_states(
    struct metrics *metrics, unsigned worker, const struct connection_states *states);
/* Gives the metrics the names of states and of close reasons. */
void connection_count_name(struct metrics *metrics);

/* Ends it now, without close_notify. */
void connection_close(struct connection *self, enum close_reason reason);

/* Ends it when it is one of NAME, the id of a customer or the serial number of a certificate, and
 * says whether it did. Whoever has not shown a certificate yet is nobody's. */
bool connection_cut(struct connection *self, const char *name);

/* Draining: an idle connection ends cleanly, a busy one after its answer. */
void connection_drain(struct connection *self);

/* A new generation is in force: verifies the certificate again and decides the running transfer
 * again, once for each generation, and counts itself in services->review. Verifying 10,000
 * certificates takes the better part of a second, so the worker calls this in pieces. A connection
 * on which something happens before its turn comes does it itself first: no request is decided by
 * a generation that the connection was not judged by. */
void connection_reauthorise(struct connection *self);

/* To be called about once a second: cuts the connection when its certificate has run out at NOW, or
 * the licence of its running transfer has. */
void connection_check_dates(struct connection *self, time_t now);

#endif
