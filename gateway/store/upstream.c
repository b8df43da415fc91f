/*
 * Connections to the store. The hard part is the life of one: connecting (perhaps through
 * several servers and addresses), active, idle in the pool, active again; each event asks which it
 * is.
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

#include "base/buffer.h"
#include "gateway/config/config_stores.h"
#include "gateway/node/log.h"
#include "store_check.h"
#include "store_servers.h"

enum { IDLE_MAX = 64 };

enum phase { UPSTREAM_CONNECTING, UPSTREAM_ACTIVE, UPSTREAM_IDLE };

struct upstream {
	unsigned references;
	bool retired;
	struct ev_loop *loop;
	struct config *config;
	char *credentials; /* NULL: none */
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
	int fd;
	uint64_t *tried; /* the exchange's; NULL in the pool */
	struct store_round round;
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

struct upstream *
upstream_new(struct ev_loop *loop, struct config *config, const char *credentials,
    struct metrics *metrics, unsigned worker)
{
	struct upstream *self = buffer_alloc(sizeof *self);

	*self = (struct upstream){
	    .references = 1, .loop = loop, .config = config_ref(config), .metrics = metrics};
	self->worker = worker;
	self->credentials = credentials != NULL ? buffer_strdup(credentials) : NULL;
	self->servers = store_servers_new(loop, config, self->credentials, metrics, worker);
	return self;
}

struct upstream *
upstream_ref(struct upstream *self)
{
	self->references++;
	return self;
}

bool
upstream_serves(const struct upstream *self, const struct config *config, const char *credentials)
{
	bool same = self->credentials != NULL && credentials != NULL
	                ? strcmp(self->credentials, credentials) == 0
	                : self->credentials == credentials;

	return same && config_stores_are_same(self->config, config);
}

const char *
upstream_credentials(const struct upstream *self)
{
	return self->credentials;
}

bool
upstream_is_available(const struct upstream *self)
{
	return store_servers_is_available(self->servers);
}

bool
upstream_has_untried(const struct upstream *self, uint64_t tried)
{
	return store_servers_has_untried(self->servers, tried);
}

bool
upstream_has_good(const struct upstream *self)
{
	return store_servers_has_good(self->servers);
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

	assert(self->idle_count > 0);
	assert(connection->previous != NULL || self->idle == connection);
	if (connection->previous != NULL)
		connection->previous->next = connection->next;
	else
		self->idle = connection->next;
	if (connection->next != NULL)
		connection->next->previous = connection->previous;
	connection->next = connection->previous = NULL;
	self->idle_count--;
}

static void
pool_push(struct upstream *self, struct upstream_connection *connection)
{
	connection->previous = NULL;
	connection->next = self->idle;
	if (self->idle != NULL)
		self->idle->previous = connection;
	self->idle = connection;
	self->idle_count++;
}

/* Takes the connection that was used last. The pool is not empty. */
static struct upstream_connection *
pool_pop(struct upstream *self)
{
	struct upstream_connection *connection = self->idle;

	assert(self->idle_count > 0);
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
	assert(connection->next == NULL && connection->previous == NULL);
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

/* Discards what waits in the pool for server INDEX. */
static void
discard_idle(struct upstream *self, size_t index)
{
	struct upstream_connection *kept = NULL;

	while (self->idle != NULL) {
		struct upstream_connection *one = pool_pop(self);
		if (store_server_index(one->server) == index) {
			free_connection(one);
		} else {
			one->next = kept;
			kept = one;
		}
	}
	while (kept != NULL) {
		struct upstream_connection *one = kept;
		kept = one->next;
		pool_push(self, one);
	}
}

void
upstream_move(struct upstream *self, const struct config_endpoints *all)
{
	for (size_t i = 0; i < self->config->store_count; i++)
		if (store_servers_move(self->servers, i, &all[i]))
			discard_idle(self, i);
}

static void
empty_pool(struct upstream *self)
{
	while (self->idle != NULL)
		free_connection(pool_pop(self));
	assert(self->idle_count == 0);
}

void
upstream_retire(struct upstream *self)
{
	self->retired = true;
	empty_pool(self);
	store_servers_retire(self->servers);
}

void
upstream_unref(struct upstream *self)
{
	if (self == NULL || --self->references > 0)
		return;
	empty_pool(self);
	store_servers_free(self->servers);
	config_free(self->config);
	if (self->credentials != NULL)
		explicit_bzero(self->credentials, strlen(self->credentials));
	free(self->credentials);
	free(self);
}

void
upstream_on_lost(struct upstream *self, void (*fn)(void *arg), void *arg)
{
	store_servers_on_lost(self->servers, fn, arg);
}

/* A connect that failed at once: the server's fault, or ours. */
static void
connect_refused(struct upstream_connection *connection)
{
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
		log_error("%s while connecting to store %s", strerror(errno),
		    store_server_store(connection->server)->name);
	else
		store_server_refused(connection->server, &connection->round, strerror(errno));
}

/* The next address of the server, or the first of the next server. NULL: all were tried. */
static const struct config_endpoint *
next_endpoint(struct upstream_connection *connection)
{
	const struct config_endpoint *endpoint = NULL;

	if (connection->server != NULL)
		endpoint = store_server_next(connection->server, &connection->round);
	if (endpoint != NULL)
		return endpoint;
	connection->server = store_servers_pick(connection->upstream->servers, connection->tried);
	if (connection->server == NULL)
		return NULL;
	store_server_begin(connection->server, &connection->round);
	return store_server_next(connection->server, &connection->round);
}

/* Starts connecting to the next address, or the one after it, until one does not refuse at once.
 * False when all have been tried. */
static bool
connect_next(struct upstream_connection *connection)
{
	struct upstream *self = connection->upstream;
	const struct config_endpoint *endpoint;
	bool connected;

	assert(connection->fd < 0 && connection->tried != NULL);
	while ((endpoint = next_endpoint(connection)) != NULL) {
		connection->fd = store_check_connect(endpoint, &connected);
		if (connection->fd < 0) {
			connect_refused(connection);
			continue;
		}
		count(self, METRIC_STORE_CONNECTS);
		connection->phase = connected ? UPSTREAM_ACTIVE : UPSTREAM_CONNECTING;
		ev_io_set(&connection->reader, connection->fd, EV_READ);
		ev_io_set(&connection->writer, connection->fd, EV_WRITE);
		if (connected) {
			store_server_connected(connection->server, &connection->round);
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
	assert(connection->phase == UPSTREAM_CONNECTING);
	store_server_refused(connection->server, &connection->round, what);
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
	store_server_connected(connection->server, &connection->round);
	update_watchers(connection);
	connection->events->on_ready(connection->arg);
}

static void
on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct upstream_connection *connection = io->data;

	(void)loop, (void)events;
	assert(connection->phase != UPSTREAM_CONNECTING);
	if (connection->phase == UPSTREAM_ACTIVE)
		connection->events->on_readable(connection->arg);
	else /* idle: the store closed it, or sent what nobody asked for */
		upstream_discard(connection);
}

static struct upstream_connection *
open_connection(
    struct upstream *self, uint64_t *tried, const struct upstream_events *events, void *arg)
{
	struct upstream_connection *connection = buffer_alloc(sizeof *connection);

	*connection = (struct upstream_connection){
	    .upstream = self, .fd = -1, .tried = tried, .wants_read = true};
	connection->events = events;
	connection->arg = arg;
	ev_init(&connection->reader, on_readable);
	ev_init(&connection->writer, on_writable);
	ev_init(&connection->timer, on_connect_timeout);
	connection->reader.data = connection->writer.data = connection->timer.data = connection;
	if (connect_next(connection))
		return connection;
	free(connection);
	return NULL;
}

/* True when an idle connection leads to a server that is well, or none is, and nothing waits on it:
 * no byte, no end. */
static bool
is_usable(const struct upstream_connection *connection)
{
	char byte;

	if (!store_server_is_good(connection->server) && upstream_has_good(connection->upstream))
		return false;
	ssize_t n = recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n < 0 && errno == EAGAIN;
}

struct upstream_connection *
upstream_acquire(struct upstream *self, bool fresh, uint64_t *tried,
    const struct upstream_events *events, void *arg)
{
	while (!fresh && self->idle != NULL) {
		struct upstream_connection *connection = pool_pop(self);
		if (!is_usable(connection)) {
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
	return open_connection(self, tried, events, arg);
}

void
upstream_release(struct upstream_connection *connection)
{
	struct upstream *self = connection->upstream;

	assert(connection->phase == UPSTREAM_ACTIVE);
	if (self->retired || self->idle_count >= IDLE_MAX) {
		upstream_discard(connection);
		return;
	}
	connection->phase = UPSTREAM_IDLE;
	connection->wants_write = false;
	connection->events = NULL;
	connection->arg = NULL;
	connection->tried = NULL;
	pool_push(self, connection);
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
	assert(connection->fd >= 0);
	return connection->fd;
}

struct store_server *
upstream_server(const struct upstream_connection *connection)
{
	return connection->server;
}

const struct config_store *
upstream_store(const struct upstream_connection *connection)
{
	return store_server_store(connection->server);
}

void
upstream_want_read(struct upstream_connection *connection, bool want)
{
	assert(connection->phase == UPSTREAM_ACTIVE);
	connection->wants_read = want;
	update_watchers(connection);
}

void
upstream_want_write(struct upstream_connection *connection, bool want)
{
	assert(connection->phase == UPSTREAM_ACTIVE);
	connection->wants_write = want;
	update_watchers(connection);
}
