/*
 * Connections to the store. The hard part is the life of one: connecting (perhaps through
 * several servers), active, idle in the pool, active again; each event asks which it is.
 */
#include "upstream.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../policy/buffer.h"
#include "log.h"
#include "store_check.h"

enum { IDLE_MAX = 64 };

static const ev_tstamp recheck_delay = 1.0; /* of a server that failed */
static const ev_tstamp probe_interval = 5.0;

enum phase { UPSTREAM_CONNECTING, UPSTREAM_ACTIVE, UPSTREAM_IDLE };

struct server {
	struct upstream *upstream;
	const struct config_store *store;
	bool failed;
	struct store_check *check; /* NULL: none is running */
	ev_timer timer;            /* starts the next check */
};

struct upstream {
	struct ev_loop *loop;
	const struct config *config;
	struct metrics *metrics;
	unsigned worker;
	size_t server_count, next_server;
	struct server *servers;
	struct upstream_connection *idle; /* last in, first out */
	unsigned idle_count;
};

struct upstream_connection {
	struct upstream *upstream;
	struct server *server;
	enum phase phase;
	bool reused, wants_read, wants_write;
	int fd;
	size_t attempts; /* servers tried by this connect */
	uint64_t tried;  /* which: bit I is server I */
	ev_io reader, writer;
	ev_timer timer;                              /* of the connect */
	struct upstream_connection *next, *previous; /* in the pool */
	const struct upstream_events *events;
	void *arg;
};

static void
count(struct upstream *self, enum metric metric)
{
	metrics_add(self->metrics, self->worker, metric, 1);
}

static void
schedule_check(struct server *server, ev_tstamp delay)
{
	if (ev_is_active(&server->timer) || server->check != NULL)
		return;
	ev_timer_set(&server->timer, delay, 0.);
	ev_timer_start(server->upstream->loop, &server->timer);
}

static void
mark_up(struct server *server)
{
	if (server->failed)
		log_info("store %s is back", server->store->name);
	server->failed = false;
}

static void
mark_failed(struct server *server, const char *what)
{
	if (!server->failed)
		log_warning("%s while connecting to store %s", what, server->store->name);
	server->failed = true;
	schedule_check(server, recheck_delay);
}

static void
on_checked(void *arg, bool up)
{
	struct server *server = arg;

	store_check_free(server->check);
	server->check = NULL;
	if (up)
		mark_up(server);
	else
		mark_failed(server, "check failed");
	if (server->upstream->config->probe != NULL)
		schedule_check(server, up ? probe_interval : recheck_delay);
}

static void
on_check_due(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct server *server = timer->data;
	const struct config *config = server->upstream->config;

	(void)events;
	if (server->check == NULL)
		server->check = store_check_start(loop, server->store, config->probe,
		    config->timeouts.store_connect, on_checked, server);
}

struct upstream *
upstream_new(
    struct ev_loop *loop, const struct config *config, struct metrics *metrics, unsigned worker)
{
	struct upstream *self = buffer_alloc(sizeof *self);

	*self = (struct upstream){.loop = loop, .config = config, .metrics = metrics};
	self->worker = worker;
	self->server_count = config->store_count;
	self->servers = buffer_alloc(self->server_count * sizeof *self->servers);
	for (size_t i = 0; i < self->server_count; i++) {
		struct server *server = &self->servers[i];
		server->upstream = self;
		server->store = &config->stores[i];
		ev_timer_init(&server->timer, on_check_due, 0., 0.);
		server->timer.data = server;
		if (config->probe != NULL)
			schedule_check(server, 0.);
	}
	return self;
}

bool
upstream_is_available(const struct upstream *self)
{
	for (size_t i = 0; i < self->server_count; i++)
		if (!self->servers[i].failed)
			return true;
	return false;
}

static void
set_watcher(struct upstream_connection *connection, ev_io *watcher, bool on)
{
	if (on)
		ev_io_start(connection->upstream->loop, watcher);
	else
		ev_io_stop(connection->upstream->loop, watcher);
}

/* The one place where watchers start and stop. */
static void
update_watchers(struct upstream_connection *connection)
{
	bool connecting = connection->phase == UPSTREAM_CONNECTING;

	set_watcher(connection, &connection->reader,
	    !connecting && (connection->wants_read || connection->phase == UPSTREAM_IDLE));
	set_watcher(connection, &connection->writer, connecting || connection->wants_write);
}

static void
close_socket(struct upstream_connection *connection)
{
	ev_io_stop(connection->upstream->loop, &connection->reader);
	ev_io_stop(connection->upstream->loop, &connection->writer);
	ev_timer_stop(connection->upstream->loop, &connection->timer);
	if (connection->fd >= 0)
		close(connection->fd);
	connection->fd = -1;
}

static void
pool_remove(struct upstream_connection *connection)
{
	struct upstream *self = connection->upstream;

	if (connection->previous != NULL)
		connection->previous->next = connection->next;
	else
		self->idle = connection->next;
	if (connection->next != NULL)
		connection->next->previous = connection->previous;
	connection->next = connection->previous = NULL;
	self->idle_count--;
}

/* Takes the connection that was used last. The pool is not empty. */
static struct upstream_connection *
pool_pop(struct upstream *self)
{
	struct upstream_connection *connection = self->idle;

	assert(connection->phase == UPSTREAM_IDLE && connection->previous == NULL);
	self->idle = connection->next;
	if (self->idle != NULL)
		self->idle->previous = NULL;
	connection->next = NULL;
	self->idle_count--;
	return connection;
}

static void
free_connection(struct upstream_connection *connection)
{
	close_socket(connection);
	free(connection);
}

void
upstream_discard(struct upstream_connection *connection)
{
	if (connection == NULL)
		return;
	if (connection->phase == UPSTREAM_IDLE)
		pool_remove(connection);
	free_connection(connection);
}

void
upstream_free(struct upstream *self)
{
	if (self == NULL)
		return;
	while (self->idle != NULL)
		free_connection(pool_pop(self));
	for (size_t i = 0; i < self->server_count; i++) {
		ev_timer_stop(self->loop, &self->servers[i].timer);
		store_check_free(self->servers[i].check);
	}
	free(self->servers);
	free(self);
}

/* The next server to try: in turn, those that failed last; none that this connect has tried. */
static struct server *
pick_server(struct upstream *self, struct upstream_connection *connection)
{
	struct server *chosen = NULL;
	size_t chosen_index = 0;

	for (size_t i = 0; i < self->server_count; i++) {
		size_t index = (self->next_server + i) % self->server_count;
		struct server *server = &self->servers[index];
		if ((connection->tried >> index & 1) != 0)
			continue;
		if (chosen == NULL || (chosen->failed && !server->failed)) {
			chosen = server;
			chosen_index = index;
		}
	}
	assert(chosen != NULL);
	connection->tried |= (uint64_t)1 << chosen_index;
	if (!chosen->failed)
		self->next_server = (chosen_index + 1) % self->server_count;
	return chosen;
}

/* A connect that failed at once: the server's fault, or ours. */
static void
connect_refused(struct server *server)
{
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
		log_error("%s while connecting to store %s", strerror(errno), server->store->name);
	else
		mark_failed(server, strerror(errno));
}

/* Starts connecting to the next server, or the one after it, until one does not refuse at once.
 * False when all have been tried. */
static bool
connect_next(struct upstream_connection *connection)
{
	struct upstream *self = connection->upstream;
	bool connected;

	while (connection->attempts < self->server_count) {
		connection->attempts++;
		connection->server = pick_server(self, connection);
		connection->fd = store_check_connect(connection->server->store, &connected);
		if (connection->fd < 0) {
			connect_refused(connection->server);
			continue;
		}
		count(self, METRIC_STORE_CONNECTS);
		connection->phase = connected ? UPSTREAM_ACTIVE : UPSTREAM_CONNECTING;
		ev_io_set(&connection->reader, connection->fd, EV_READ);
		ev_io_set(&connection->writer, connection->fd, EV_WRITE);
		if (connected) {
			mark_up(connection->server);
		} else {
			ev_timer_set(&connection->timer, self->config->timeouts.store_connect, 0.);
			ev_timer_start(self->loop, &connection->timer);
		}
		update_watchers(connection);
		return true;
	}
	return false;
}

static void
connect_failed(struct upstream_connection *connection, const char *what)
{
	mark_failed(connection->server, what);
	close_socket(connection);
	if (connect_next(connection)) {
		if (connection->phase == UPSTREAM_ACTIVE)
			connection->events->on_ready(connection->arg);
		return;
	}
	const struct upstream_events *events = connection->events;
	void *arg = connection->arg;
	free(connection);
	events->on_unreachable(arg);
}

static void
on_connect_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	connect_failed(timer->data, "timeout");
}

static void
on_writable(struct ev_loop *loop, ev_io *io, int events)
{
	struct upstream_connection *connection = io->data;
	int error = 0;
	socklen_t len = sizeof error;

	(void)events;
	if (connection->phase == UPSTREAM_ACTIVE) {
		connection->events->on_writable(connection->arg);
		return;
	}
	assert(connection->phase == UPSTREAM_CONNECTING);
	if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
		connect_failed(connection, strerror(error));
		return;
	}
	ev_timer_stop(loop, &connection->timer);
	connection->phase = UPSTREAM_ACTIVE;
	mark_up(connection->server);
	update_watchers(connection);
	connection->events->on_ready(connection->arg);
}

static void
on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct upstream_connection *connection = io->data;

	(void)loop, (void)events;
	if (connection->phase == UPSTREAM_ACTIVE)
		connection->events->on_readable(connection->arg);
	else /* idle: the store closed it, or sent what nobody asked for */
		upstream_discard(connection);
}

static struct upstream_connection *
open_connection(struct upstream *self, const struct upstream_events *events, void *arg)
{
	struct upstream_connection *connection = buffer_alloc(sizeof *connection);

	*connection = (struct upstream_connection){
	    .upstream = self, .fd = -1, .wants_read = true, .events = events, .arg = arg};
	ev_init(&connection->reader, on_readable);
	ev_init(&connection->writer, on_writable);
	ev_init(&connection->timer, on_connect_timeout);
	connection->reader.data = connection->writer.data = connection->timer.data = connection;
	if (connect_next(connection))
		return connection;
	free(connection);
	return NULL;
}

/* True when nothing waits on an idle connection: no byte, no end. */
static bool
is_quiet(const struct upstream_connection *connection)
{
	char byte;
	ssize_t n = recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n < 0 && errno == EAGAIN;
}

struct upstream_connection *
upstream_acquire(struct upstream *self, bool fresh, const struct upstream_events *events, void *arg)
{
	while (!fresh && self->idle != NULL) {
		struct upstream_connection *connection = pool_pop(self);
		if (!is_quiet(connection)) {
			free_connection(connection);
			continue;
		}
		connection->phase = UPSTREAM_ACTIVE;
		connection->reused = true;
		connection->wants_read = true;
		connection->events = events;
		connection->arg = arg;
		update_watchers(connection);
		count(self, METRIC_STORE_REUSES);
		return connection;
	}
	return open_connection(self, events, arg);
}

void
upstream_release(struct upstream_connection *connection)
{
	struct upstream *self = connection->upstream;

	assert(connection->phase == UPSTREAM_ACTIVE);
	if (self->idle_count >= IDLE_MAX) {
		upstream_discard(connection);
		return;
	}
	connection->phase = UPSTREAM_IDLE;
	connection->wants_write = false;
	connection->events = NULL;
	connection->arg = NULL;
	connection->next = self->idle;
	if (self->idle != NULL)
		self->idle->previous = connection;
	self->idle = connection;
	self->idle_count++;
	update_watchers(connection);
}

bool
upstream_is_ready(const struct upstream_connection *connection)
{
	return connection->phase == UPSTREAM_ACTIVE;
}

bool
upstream_was_reused(const struct upstream_connection *connection)
{
	return connection->reused;
}

int
upstream_fd(const struct upstream_connection *connection)
{
	return connection->fd;
}

const struct config_store *
upstream_store(const struct upstream_connection *connection)
{
	return connection->server->store;
}

void
upstream_want_read(struct upstream_connection *connection, bool want)
{
	connection->wants_read = want;
	update_watchers(connection);
}

void
upstream_want_write(struct upstream_connection *connection, bool want)
{
	connection->wants_write = want;
	update_watchers(connection);
}
