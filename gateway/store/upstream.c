/*
 * Connections to the store. The hard part is the life of one: connecting (upstream_connect.c),
 * active, idle in the pool, active again; each event asks which it is.
 */
#include "upstream_private.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "gateway/config/config_stores.h"
#include "gateway/node/log.h"
#include "gateway/tls/tls_client.h"
#include "store_servers.h"

enum { IDLE_MAX = 64 };

void
upstream_count(struct upstream *self, enum metric metric)
{
	metrics_add(self->metrics, self->worker, metric, 1);
}

struct upstream *
upstream_new(struct ev_loop *loop, struct config *config, const struct store_access *access,
    struct metrics *metrics, unsigned worker)
{
	struct upstream *self = buffer_alloc(sizeof *self);

	*self = (struct upstream){
	    .references = 1, .loop = loop, .config = config_ref(config), .metrics = metrics};
	self->worker = worker;
	if (access->credentials != NULL)
		self->credentials = buffer_strdup(access->credentials);
	self->access = (struct store_access){self->credentials, access->tls};
	if (access->tls != NULL)
		(void)tls_client_ref(access->tls);
	self->servers = store_servers_new(loop, config, &self->access, metrics, worker);
	return self;
}

struct upstream *
upstream_ref(struct upstream *self)
{
	self->references++;
	return self;
}

bool
upstream_serves(
    const struct upstream *self, const struct config *config, const struct store_access *access)
{
	const char *own = self->credentials, *other = access->credentials;
	bool same = own != NULL && other != NULL ? strcmp(own, other) == 0 : own == other;

	return same && self->access.tls == access->tls &&
	       config_stores_are_same(self->config, config);
}

const struct store_access *
upstream_access(const struct upstream *self)
{
	return &self->access;
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
void
upstream_update_watchers(struct upstream_connection *connection)
{
	bool connecting = connection->phase == UPSTREAM_CONNECTING;
	bool reads = connection->wants_read || connection->phase == UPSTREAM_IDLE;
	bool writes = connection->wants_write;

	if (connecting) {
		reads = connection->opening == STORE_LINK_WANT_READ;
		writes = connection->opening == STORE_LINK_WANT_WRITE;
	}
	set_watcher(connection, &connection->reader, reads);
	set_watcher(connection, &connection->writer, writes);
	if (connection->phase == UPSTREAM_ACTIVE && reads && store_link_has_more(&connection->link))
		ev_timer_start(connection->upstream->loop, &connection->again);
	else
		ev_timer_stop(connection->upstream->loop, &connection->again);
}

void
upstream_close_socket(struct upstream_connection *connection)
{
	ev_io_stop(connection->upstream->loop, &connection->reader);
	ev_io_stop(connection->upstream->loop, &connection->writer);
	ev_timer_stop(connection->upstream->loop, &connection->timer);
	ev_timer_stop(connection->upstream->loop, &connection->again);
	store_link_close(&connection->link);
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
	upstream_close_socket(connection);
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
	tls_client_unref(self->access.tls);
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

static void
on_writable(struct ev_loop *loop, ev_io *io, int events)
{
	struct upstream_connection *connection = io->data;

	(void)loop, (void)events;
	if (connection->phase == UPSTREAM_ACTIVE)
		connection->events->on_writable(connection->arg);
	else
		upstream_connect_go_on(connection);
}

/* As the kernel does for a socket, this tells again as long as nobody has read all. */
static void
tell_readable(struct upstream_connection *connection)
{
	if (store_link_has_more(&connection->link))
		ev_timer_start(connection->upstream->loop, &connection->again);
	connection->events->on_readable(connection->arg);
}

static void
on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct upstream_connection *connection = io->data;

	(void)loop, (void)events;
	if (connection->phase == UPSTREAM_CONNECTING)
		upstream_connect_go_on(connection);
	else if (connection->phase == UPSTREAM_ACTIVE)
		tell_readable(connection);
	else /* idle: the store closed it, or sent what nobody asked for */
		upstream_discard(connection);
}

static void
on_again(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct upstream_connection *connection = timer->data;

	(void)loop, (void)events;
	if (connection->phase == UPSTREAM_ACTIVE && connection->wants_read &&
	    store_link_has_more(&connection->link))
		tell_readable(connection);
}

static struct upstream_connection *
open_connection(
    struct upstream *self, uint64_t *tried, const struct upstream_events *events, void *arg)
{
	struct upstream_connection *connection = buffer_alloc(sizeof *connection);

	*connection = (struct upstream_connection){
	    .upstream = self, .link = {.fd = -1}, .tried = tried, .wants_read = true};
	connection->events = events;
	connection->arg = arg;
	ev_init(&connection->reader, on_readable);
	ev_init(&connection->writer, on_writable);
	ev_init(&connection->timer, upstream_connect_on_timeout);
	ev_timer_init(&connection->again, on_again, 0., 0.);
	connection->reader.data = connection->writer.data = connection;
	connection->timer.data = connection->again.data = connection;
	if (upstream_connect_next(connection))
		return connection;
	free(connection);
	return NULL;
}

/* True when an idle connection leads to a server that is well, or none is, and nothing waits on it:
 * no byte, no end. */
static bool
is_usable(const struct upstream_connection *connection)
{
	if (!store_server_is_good(connection->server) && upstream_has_good(connection->upstream))
		return false;
	return store_link_is_quiet(&connection->link);
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
		upstream_update_watchers(connection);
		upstream_count(self, METRIC_STORE_REUSES);
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
	upstream_update_watchers(connection);
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

ssize_t
upstream_receive(struct upstream_connection *connection, char *bytes, size_t n)
{
	assert(connection->phase == UPSTREAM_ACTIVE);
	ssize_t got = store_link_receive(&connection->link, bytes, n);
	int saved = errno;

	if (store_link_has_more(&connection->link) && connection->wants_read)
		ev_timer_start(connection->upstream->loop, &connection->again);
	else
		ev_timer_stop(connection->upstream->loop, &connection->again);
	errno = saved;
	return got;
}

ssize_t
upstream_send(struct upstream_connection *connection, const char *bytes, size_t n)
{
	assert(connection->phase == UPSTREAM_ACTIVE);
	return store_link_send(&connection->link, bytes, n);
}

const char *
upstream_why(const struct upstream_connection *connection, ssize_t received, int error)
{
	return store_link_why(&connection->link, received, error);
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
	upstream_update_watchers(connection);
}

void
upstream_want_write(struct upstream_connection *connection, bool want)
{
	assert(connection->phase == UPSTREAM_ACTIVE);
	connection->wants_write = want;
	upstream_update_watchers(connection);
}
