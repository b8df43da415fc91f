/*
 * The request, on its way to one server. The hard part is that it may go to several, one after the
 * other: what depends on the server is written anew for each.
 */
#include "exchange_private.h"

#include <assert.h>
#include <errno.h>
#include <math.h>

#include "base/clock.h"
#include "upstream.h"

const char *const exchange_doing[] = {"connecting to", "sending the request to",
    "waiting for the answer of", "reading the body from", "finishing with"};

static_assert(
    sizeof exchange_doing / sizeof *exchange_doing == EXCHANGE_DONE + 1, "each phase has its text");

void
exchange_restart_timer(struct exchange *self)
{
	const struct config_timeouts *timeouts = &self->services->config->timeouts;

	assert(self->connection != NULL);
	self->waited = 0;
	self->timer.repeat = timeouts->store_response;
	if (self->phase < EXCHANGE_BODY)
		self->timer.repeat = fmin(timeouts->store_connect, timeouts->store_response);
	ev_timer_again(self->services->loop, &self->timer);
}

void
exchange_drop_connection(struct exchange *self)
{
	ev_timer_stop(self->services->loop, &self->timer);
	upstream_discard(self->connection);
	self->connection = NULL;
}

/* Completes the request for the server that the connection leads to. */
static void
address_request(struct exchange *self)
{
	const struct config_store *store = upstream_store(self->connection);

	self->store_name = store->name;
	buffer_consume(&self->out, buffer_size(&self->out));
	exchange_order_complete(
	    &self->order, store, upstream_access(self->upstream)->credentials, &self->out);
	buffer_append(&self->out, buffer_bytes(&self->body), buffer_size(&self->body));
	self->sent = 0;
}

/* Sends what the socket takes. An error is left to the reader, which is always on and sees the
 * end of the connection, perhaps after an early answer. */
void
exchange_send(struct exchange *self)
{
	assert(self->sent < buffer_size(&self->out));
	size_t left = buffer_size(&self->out) - self->sent;
	ssize_t n = upstream_send(self->connection, buffer_bytes(&self->out) + self->sent, left);

	assert(n < 0 || (size_t)n <= left);
	if (n > 0)
		self->sent += (size_t)n;
	bool blocked = n >= 0 ? (size_t)n < left : errno == EAGAIN || errno == EINTR;
	self->phase = blocked ? EXCHANGE_SENDING : EXCHANGE_AWAITING;
	upstream_want_write(self->connection, blocked);
	exchange_restart_timer(self);
}

void
exchange_start_sending(struct exchange *self)
{
	assert(self->phase == EXCHANGE_CONNECTING && self->connection != NULL);
	address_request(self);
	exchange_send(self);
}

bool
exchange_acquire(struct exchange *self, bool fresh)
{
	assert(self->connection == NULL);
	self->phase = EXCHANGE_CONNECTING;
	self->asked = clock_seconds();
	self->connection =
	    upstream_acquire(self->upstream, fresh, &self->tried, self->store_events, self);
	if (self->connection == NULL)
		return false;
	if (upstream_is_ready(self->connection))
		exchange_start_sending(self);
	return true;
}
