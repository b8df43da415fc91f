/*
 * A connection to the store is opened. The hard part is that each way to fail leads on: to the next
 * address of the server, then to the next server.
 */
#include "upstream_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/node/log.h"
#include "store_servers.h"

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

bool
upstream_connect_next(struct upstream_connection *connection)
{
	struct upstream *self = connection->upstream;
	const struct config_endpoint *endpoint;

	assert(connection->link.fd < 0 && connection->tried != NULL);
	while ((endpoint = next_endpoint(connection)) != NULL) {
		connection->opening = store_link_open(
		    &connection->link, endpoint, store_server_peer(connection->server));
		if (connection->opening == STORE_LINK_FAILED) {
			connect_refused(connection);
			continue;
		}
		bool connected = connection->opening == STORE_LINK_READY;
		upstream_count(self, METRIC_STORE_CONNECTS);
		connection->phase = connected ? UPSTREAM_ACTIVE : UPSTREAM_CONNECTING;
		ev_io_set(&connection->reader, connection->link.fd, EV_READ);
		ev_io_set(&connection->writer, connection->link.fd, EV_WRITE);
		if (connected) {
			store_server_connected(connection->server, &connection->round);
		} else {
			ev_timer_set(&connection->timer, self->config->timeouts.store_connect, 0.);
			ev_timer_start(self->loop, &connection->timer);
		}
		upstream_update_watchers(connection);
		return true;
	}
	return false;
}

static void
connect_failed(struct upstream_connection *connection, const char *what)
{
	assert(connection->phase == UPSTREAM_CONNECTING);
	store_server_refused(connection->server, &connection->round, what);
	upstream_close_socket(connection);
	if (upstream_connect_next(connection)) {
		if (connection->phase == UPSTREAM_ACTIVE)
			connection->events->on_ready(connection->arg);
		return;
	}
	const struct upstream_events *events = connection->events;
	void *arg = connection->arg;
	free(connection);
	events->on_unreachable(arg);
}

void
upstream_connect_on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	connect_failed(timer->data, "timeout");
}

void
upstream_connect_go_on(struct upstream_connection *connection)
{
	const char *why = NULL;

	assert(connection->phase == UPSTREAM_CONNECTING);
	connection->opening = store_link_go_on(&connection->link, &why);
	if (connection->opening == STORE_LINK_FAILED) {
		connect_failed(connection, why);
		return;
	}
	if (connection->opening != STORE_LINK_READY) {
		upstream_update_watchers(connection);
		return;
	}
	ev_timer_stop(connection->upstream->loop, &connection->timer);
	connection->phase = UPSTREAM_ACTIVE;
	store_server_connected(connection->server, &connection->round);
	upstream_update_watchers(connection);
	connection->events->on_ready(connection->arg);
}
