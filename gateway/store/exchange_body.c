/*
 * The body of the store's answer, and the end. The hard part is the end: only when the answer was
 * complete, exact and its sender willing does the connection go back to the pool.
 */
#include "exchange_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/node/log.h"
#include "store_servers.h"
#include "upstream.h"

/* The body is complete. Whatever else the store has sent makes its connection unusable. */
static void
finish(struct exchange *self, bool clean)
{
	assert(self->remaining == 0 && self->connection != NULL);
	self->phase = EXCHANGE_DONE;
	ev_timer_stop(self->services->loop, &self->timer);
	store_server_answered(upstream_server(self->connection));
	clean = clean && self->response.keeps_alive && self->sent == buffer_size(&self->out);
	if (clean)
		upstream_release(self->connection);
	else
		upstream_discard(self->connection);
	self->connection = NULL;
}

static enum exchange_status
cut(struct exchange *self, const char *why)
{
	char request[EXCHANGE_SAID_MAX];

	assert(self->remaining > 0);
	if (!self->is_other_length)
		exchange_blame(self, why);
	exchange_said_request(self, request);
	log_warning("%s, %llu bytes missing, while %s store %s: %s", why, self->remaining,
	    exchange_doing[self->phase], self->store_name, request);
	services_count(self->services, METRIC_STORE_FAILURES, 1);
	exchange_drop_connection(self);
	return EXCHANGE_CUT;
}

/* The next bytes of a body whose length the store said; as exchange_unframed_read(), but there may
 * be one byte more than is due. */
static enum exchange_status
read_framed(struct exchange *self, char *bytes, size_t n, size_t *taken, const char **why)
{
	/* One byte more than is due, so that a store that sends more is noticed. */
	size_t most = self->remaining < n ? (size_t)self->remaining + 1 : n;
	ssize_t r = exchange_receive(self, bytes, most);

	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return EXCHANGE_WAIT;
	if (r <= 0) {
		*why = upstream_why(self->connection, r, errno);
		return EXCHANGE_CUT;
	}
	*taken = (size_t)r;
	return EXCHANGE_OK;
}

enum exchange_status
exchange_read(struct exchange *self, char *bytes, size_t n, size_t *got)
{
	*got = 0;
	if (self->phase == EXCHANGE_DONE)
		return EXCHANGE_END;
	assert(self->phase == EXCHANGE_BODY && n > 0);
	if (self->connection == NULL)
		return EXCHANGE_CUT;
	if (self->remaining == 0) {
		finish(self, buffer_size(&self->in) == self->scan.head_len);
		return EXCHANGE_END;
	}
	const char *why = NULL;
	size_t taken = 0;
	enum exchange_status status = self->response.framing == RESPONSE_BY_LENGTH
	                                  ? read_framed(self, bytes, n, &taken, &why)
	                                  : exchange_unframed_read(self, bytes, n, &taken, &why);
	if (status == EXCHANGE_CUT)
		return cut(self, why);
	if (status == EXCHANGE_WAIT)
		return EXCHANGE_WAIT;
	bool excess = taken > self->remaining;
	*got = excess ? (size_t)self->remaining : taken;
	assert(*got > 0 && *got <= n);
	self->remaining -= *got;
	if (!self->events->check_piece(self->arg, bytes, *got, self->remaining == 0)) {
		--*got;
		self->remaining++;
		exchange_reject(self);
		return EXCHANGE_CUT;
	}
	if (self->remaining == 0)
		finish(self, !excess && buffer_size(&self->in) == self->scan.head_len);
	return EXCHANGE_OK;
}

bool
exchange_has_more(const struct exchange *self)
{
	bool buffered = buffer_size(&self->in) > self->scan.head_len;
	bool may_hand_on = self->has_held && (self->has_ended || self->remaining > 1);

	return self->phase == EXCHANGE_BODY && self->remaining > 0 &&
	       (buffered || !self->drained || may_hand_on);
}

void
exchange_reject(struct exchange *self)
{
	assert(self->phase == EXCHANGE_BODY);
	services_count(self->services, METRIC_STORE_FAILURES, 1);
	exchange_drop_connection(self);
}

void
exchange_pause(struct exchange *self)
{
	if (self->connection == NULL || self->paused)
		return;
	assert(self->phase == EXCHANGE_BODY);
	self->paused = self->was_paused = true;
	ev_timer_stop(self->services->loop, &self->timer);
	upstream_want_read(self->connection, false);
}

void
exchange_resume(struct exchange *self)
{
	if (self->connection == NULL || !self->paused)
		return;
	assert(self->phase == EXCHANGE_BODY);
	self->paused = self->drained = false;
	exchange_restart_timer(self);
	upstream_want_read(self->connection, true);
}

void
exchange_free(struct exchange *self)
{
	size_t got;

	if (self == NULL)
		return;
	assert(self->phase != EXCHANGE_BODY || self->scan.head_len <= buffer_size(&self->in));
	/* An unwanted body that is all here already need not cost the connection. */
	if (self->connection != NULL && self->phase == EXCHANGE_BODY &&
	    (self->response.framing == RESPONSE_BY_LENGTH || self->remaining == 0) &&
	    self->remaining <= buffer_size(&self->in) - self->scan.head_len) {
		self->scan.head_len += (size_t)self->remaining;
		self->remaining = 0;
		(void)exchange_read(self, (char[1]){0}, 1, &got);
	}
	ev_timer_stop(self->services->loop, &self->timer);
	upstream_discard(self->connection);
	upstream_unref(self->upstream);
	buffer_fini(&self->order);
	buffer_fini(&self->out);
	buffer_fini(&self->body);
	buffer_fini(&self->in);
	free(self);
}
