/*
 * A worker's listening sockets and the connections they gave.
 */
#ifndef GATEWAY_LISTENER_H
#define GATEWAY_LISTENER_H

#include <stddef.h>

#include "connection.h"

struct listener;

/* A listening socket: the descriptor, and which of config->listens it listens for. */
struct listener_socket {
	int fd;
	size_t index;
};

/* The descriptors of SOCKETS become the listener's. */
struct listener *listener_new(
    struct services *services, const struct listener_socket *sockets, size_t count);
/* Only when no connection is left. */
void listener_free(struct listener *self);

void listener_start(struct listener *self);
/* Takes what waits in the sockets' queues, if it was started, then closes them. */
void listener_close(struct listener *self);

/* To be called about once a second: when what is left of the node's connections is less than its
 * reserve, ends some that rest, of those who have several. Another worker may have let in whom this
 * one has to make room for. */
void listener_restore_reserve(struct listener *self);

size_t listener_connection_count(const struct listener *self);
/* The most that there were at once since the last call. */
size_t listener_most_connections(struct listener *self);

/* Calls FN for each connection; FN may end it. */
void listener_each(
    struct listener *self, void (*fn)(struct connection *connection, void *arg), void *arg);

/* Calls FN whenever the last connection has ended. */
void listener_on_empty(struct listener *self, void (*fn)(void *arg), void *arg);

/* Begins a walk over the connections that are open now, in place of one before; it may go on over
 * many turns of the loop. */
void listener_walk(struct listener *self);
/* The next connection of the walk, which may be ended; NULL when there is none left. */
struct connection *listener_walk_next(struct listener *self);

#endif
