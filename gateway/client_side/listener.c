/*
 * Accepting. The hard part is running out of descriptors: accepting pauses then, and goes on when a
 * connection ends or a second has passed, instead of spinning.
 */
#include "listener.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/node/log.h"
#include "room.h"

enum {
	ACCEPTS_PER_TURN = 16,
	QUEUE_MAX = 4096, /* connections taken from a queue before it is closed */
};

static const ev_tstamp pause_seconds = 1;

struct acceptor {
	struct listener *listener;
	size_t index; /* in every configuration's listens: a reload changes none */
	ev_io io;
};

struct listener {
	struct services *services;
	struct acceptor *acceptors;
	size_t acceptor_count, connection_count;
	size_t most_connections;         /* since it was asked for */
	struct connection *connections;  /* first of the list */
	struct connection *next_visited; /* listener_each() goes on here */
	struct connection *next_walked;  /* and listener_walk_next() here */
	ev_timer pause;
	bool started;
	void (*on_empty)(void *arg);
	void *on_empty_arg;
};

static void
resume(struct listener *self)
{
	ev_timer_stop(self->services->loop, &self->pause);
	for (size_t i = 0; i < self->acceptor_count; i++)
		if (self->acceptors[i].io.fd >= 0)
			ev_io_start(self->services->loop, &self->acceptors[i].io);
}

static void
pause_accepting(struct listener *self)
{
	log_error("accepting is paused: %s", strerror(errno));
	for (size_t i = 0; i < self->acceptor_count; i++)
		ev_io_stop(self->services->loop, &self->acceptors[i].io);
	ev_timer_set(&self->pause, pause_seconds, 0.);
	ev_timer_start(self->services->loop, &self->pause);
}

static void
on_pause_over(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	resume(timer->data);
}

static void
on_connection_ended(void *arg, struct connection *connection)
{
	struct listener *self = arg;
	struct connection_links *links = connection_links(connection);

	assert(self->connection_count > 0);
	assert(links->previous != NULL || self->connections == connection);
	assert(links->next == NULL || connection_links(links->next)->previous == connection);
	if (self->next_visited == connection)
		self->next_visited = links->next;
	if (self->next_walked == connection)
		self->next_walked = links->next;
	if (links->previous != NULL)
		connection_links(links->previous)->next = links->next;
	else
		self->connections = links->next;
	if (links->next != NULL)
		connection_links(links->next)->previous = links->previous;
	self->connection_count--;
	metrics_subtract(
	    self->services->metrics, self->services->worker, METRIC_CONNECTIONS_OPEN, 1);
	if (ev_is_active(&self->pause))
		resume(self);
	if (self->connection_count == 0 && self->on_empty != NULL)
		self->on_empty(self->on_empty_arg);
}

static void
on_connection_started(void *arg, struct connection *connection)
{
	struct listener *self = arg;
	struct connection_links *links = connection_links(connection);

	assert(links->next == NULL && links->previous == NULL);
	assert((self->connections == NULL) == (self->connection_count == 0));
	links->next = self->connections;
	if (self->connections != NULL)
		connection_links(self->connections)->previous = connection;
	self->connections = connection;
	self->connection_count++;
	if (self->connection_count > self->most_connections)
		self->most_connections = self->connection_count;
}

static void
take(struct acceptor *acceptor, int fd, const struct sockaddr_storage *address)
{
	struct listener *self = acceptor->listener;
	struct services *services = self->services;

	assert(fd >= 0);
	services_count(services, METRIC_CONNECTIONS, 1);
	/* Counted first and looked at then: of two workers that do so at once, one sees the other.
	 */
	services_count(services, METRIC_CONNECTIONS_OPEN, 1);
	if (!room_for_one(services)) {
		metrics_subtract(services->metrics, services->worker, METRIC_CONNECTIONS_OPEN, 1);
		services_count(services, METRIC_CONNECTIONS_REFUSED, 1);
		close(fd);
		return;
	}
	connection_start(&(struct connection_options){.services = services,
	    .fd = fd,
	    .address = address,
	    .listen = &services->config->listens[acceptor->index],
	    .started = on_connection_started,
	    .ended = on_connection_ended,
	    .arg = self});
}

/* A client of IPv4 that came to "[::]" is one of IPv4 for limits, networks and logs: else all of
 * them were one network of IPv6 (RFC 4291, 2.5.5.2). */
static void
unmap(struct sockaddr_storage *address)
{
	struct sockaddr_in6 v6;
	struct sockaddr_in v4 = {.sin_family = AF_INET};

	memcpy(&v6, address, sizeof v6);
	if (address->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
		return;
	v4.sin_port = v6.sin6_port;
	memcpy(&v4.sin_addr, v6.sin6_addr.s6_addr + 12, sizeof v4.sin_addr);
	memset(address, 0, sizeof *address);
	memcpy(address, &v4, sizeof v4);
}

/* Accepts one connection. False when there is none, or accepting is paused. */
static bool
accept_one(struct acceptor *acceptor)
{
	struct sockaddr_storage address = {0};
	socklen_t len = sizeof address;
	int fd = accept4(
	    acceptor->io.fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		unmap(&address);
		take(acceptor, fd, &address);
		return true;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		pause_accepting(acceptor->listener);
		return false;
	}
	/* What happened to that one peer says nothing of the next (accept(2)). */
	return errno != EAGAIN;
}

static void
on_acceptable(struct ev_loop *loop, ev_io *io, int events)
{
	(void)loop, (void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++)
		if (!accept_one(io->data))
			return;
}

struct listener *
listener_new(struct services *services, const struct listener_socket *sockets, size_t count)
{
	struct listener *self = buffer_alloc(sizeof *self);

	assert(services->loop != NULL && services->places != NULL && services->turns != NULL);
	self->services = services;
	self->acceptor_count = count;
	self->acceptors = buffer_alloc(self->acceptor_count * sizeof *self->acceptors);
	for (size_t i = 0; i < self->acceptor_count; i++) {
		struct acceptor *acceptor = &self->acceptors[i];
		acceptor->listener = self;
		assert(sockets[i].index < services->config->listen_count);
		acceptor->index = sockets[i].index;
		ev_io_init(&acceptor->io, on_acceptable, sockets[i].fd, EV_READ);
		acceptor->io.data = acceptor;
	}
	ev_timer_init(&self->pause, on_pause_over, 0., 0.);
	self->pause.data = self;
	return self;
}

void
listener_free(struct listener *self)
{
	if (self == NULL)
		return;
	assert(self->connection_count == 0 && self->connections == NULL);
	self->on_empty = NULL;
	listener_close(self);
	free(self->acceptors);
	free(self);
}

void
listener_start(struct listener *self)
{
	self->started = true;
	resume(self);
}

void
listener_close(struct listener *self)
{
	ev_timer_stop(self->services->loop, &self->pause);
	for (size_t i = 0; i < self->acceptor_count; i++) {
		struct acceptor *acceptor = &self->acceptors[i];
		ev_io_stop(self->services->loop, &acceptor->io);
		if (acceptor->io.fd < 0)
			continue;
		for (int k = 0; self->started && k < QUEUE_MAX && accept_one(acceptor); k++)
			;
		ev_timer_stop(self->services->loop, &self->pause);
		close(acceptor->io.fd);
		ev_io_set(&acceptor->io, -1, EV_READ);
	}
}

void
listener_restore_reserve(struct listener *self)
{
	(void)room_restore(self->services, 2);
}

size_t
listener_most_connections(struct listener *self)
{
	size_t most = self->most_connections;

	self->most_connections = self->connection_count;
	return most;
}

size_t
listener_connection_count(const struct listener *self)
{
	return self->connection_count;
}

void
listener_each(
    struct listener *self, void (*fn)(struct connection *connection, void *arg), void *arg)
{
	struct connection *connection = self->connections;

	while (connection != NULL) {
		self->next_visited = connection_links(connection)->next;
		fn(connection, arg);
		connection = self->next_visited;
	}
}

/* New connections are put before the first, so no walk meets them. */
void
listener_walk(struct listener *self)
{
	self->next_walked = self->connections;
}

struct connection *
listener_walk_next(struct listener *self)
{
	struct connection *connection = self->next_walked;

	if (connection != NULL)
		self->next_walked = connection_links(connection)->next;
	return connection;
}

void
listener_on_empty(struct listener *self, void (*fn)(void *arg), void *arg)
{
	assert(self->on_empty == NULL);
	self->on_empty = fn;
	self->on_empty_arg = arg;
}
