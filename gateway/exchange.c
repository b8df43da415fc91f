/*
 * One exchange with the store. The hard part is the end: only when the answer was complete,
 * exact and its sender willing does the connection go back to the pool.
 */
#include "exchange.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "upstream.h"

enum {
	FIRST_READ = 32 * 1024, /* bytes: the head and the start of the body */
	INTERIM_MAX = 8,        /* 1xx answers skipped before the real one */
};

enum phase {
	EXCHANGE_CONNECTING,
	EXCHANGE_SENDING,
	EXCHANGE_AWAITING,
	EXCHANGE_BODY,
	EXCHANGE_DONE
};

static const char *const doing[] = {"connecting to", "sending the request to",
    "waiting for the answer of", "reading the body from", "finishing with"};

struct exchange {
	struct services *services;
	struct upstream_connection *connection; /* NULL: given back or broken */
	const char *store_name;
	struct request request; /* without its spans */
	enum phase phase;
	bool retried, paused;
	struct buffer out; /* the request; `sent` bytes of it have left */
	size_t out_fields; /* bytes of `out` before Host, which depends on the server */
	size_t sent;
	struct buffer body; /* of a PUT */
	struct buffer in;   /* head, then the start of the body */
	struct http_scan scan;
	unsigned interim;
	struct response response;
	unsigned long long remaining;
	const char *defect;
	ev_timer timer; /* no progress from the store */
	double started, answered;
	const struct exchange_events *events;
	void *arg;
};

static void on_store_ready(void *arg);
static void on_store_unreachable(void *arg);
static void on_store_readable(void *arg);
static void on_store_writable(void *arg);

static const struct upstream_events store_events = {
    .on_ready = on_store_ready,
    .on_unreachable = on_store_unreachable,
    .on_readable = on_store_readable,
    .on_writable = on_store_writable,
};

static void
restart_timer(struct exchange *self)
{
	self->timer.repeat = self->services->config->timeouts.store_response;
	ev_timer_again(self->services->loop, &self->timer);
}

static void
drop_connection(struct exchange *self)
{
	ev_timer_stop(self->services->loop, &self->timer);
	upstream_discard(self->connection);
	self->connection = NULL;
}

/* The last thing of an event. */
static void
fail(struct exchange *self, enum problem problem, const char *why)
{
	if (self->defect == NULL)
		self->defect = why;
	if (self->phase != EXCHANGE_CONNECTING) /* that was logged, for each server */
		log_warning("%s while %s store %s", why, doing[self->phase], self->store_name);
	services_count(self->services, METRIC_STORE_FAILURES, 1);
	drop_connection(self);
	self->events->on_failed(self->arg, problem, why);
}

static void
on_store_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct exchange *self = timer->data;

	(void)loop, (void)events;
	fail(self, PROBLEM_STORE_TIMEOUT, "timeout");
}

/* Completes the request for the server that the connection leads to. */
static void
address_request(struct exchange *self)
{
	const struct config_store *store = upstream_store(self->connection);

	self->store_name = store->name;
	self->out.end = self->out.start + self->out_fields;
	buffer_printf(&self->out, "Host: %s\r\n\r\n", store->host);
	buffer_append(&self->out, buffer_bytes(&self->body), buffer_size(&self->body));
	self->sent = 0;
}

/* Sends what the socket takes. An error is left to the reader, which is always on and sees the
 * end of the connection, perhaps after an early answer. */
static void
send_request(struct exchange *self)
{
	size_t left = buffer_size(&self->out) - self->sent;
	ssize_t n = send(upstream_fd(self->connection), buffer_bytes(&self->out) + self->sent, left,
	    MSG_NOSIGNAL);

	if (n > 0)
		self->sent += (size_t)n;
	bool blocked = n >= 0 ? (size_t)n < left : errno == EAGAIN || errno == EINTR;
	self->phase = blocked ? EXCHANGE_SENDING : EXCHANGE_AWAITING;
	upstream_want_write(self->connection, blocked);
	restart_timer(self);
}

static void
start_sending(struct exchange *self)
{
	address_request(self);
	send_request(self);
}

static void
on_store_ready(void *arg)
{
	start_sending(arg);
}

static void
on_store_writable(void *arg)
{
	struct exchange *self = arg;
	if (self->phase == EXCHANGE_SENDING)
		send_request(self);
}

static void
on_store_unreachable(void *arg)
{
	struct exchange *self = arg;

	self->connection = NULL; /* already gone */
	fail(self, PROBLEM_STORE_UNAVAILABLE, "no store can be reached");
}

/* Connects, or takes a kept-alive connection, and sends as soon as it can. */
static bool
acquire(struct exchange *self, bool fresh)
{
	self->phase = EXCHANGE_CONNECTING;
	self->connection = upstream_acquire(self->services->upstream, fresh, &store_events, self);
	if (self->connection == NULL)
		return false;
	if (upstream_is_ready(self->connection))
		start_sending(self);
	return true;
}

struct exchange *
exchange_start(struct services *services, const struct exchange_order *order,
    const struct exchange_events *events, void *arg)
{
	struct exchange *self = buffer_alloc(sizeof *self);

	self->services = services;
	self->store_name = "";
	self->request = *order->request;
	self->events = events;
	self->arg = arg;
	self->started = ev_now(services->loop);
	ev_init(&self->timer, on_store_timeout);
	self->timer.data = self;
	exchange_order_print(order, &self->out);
	request_gate_detach(&self->request);
	self->out_fields = buffer_size(&self->out);
	buffer_append(&self->body, order->body, order->body_len);
	if (acquire(self, order->request->method == METHOD_PUT))
		return self;
	services_count(services, METRIC_STORE_FAILURES, 1);
	exchange_free(self);
	return NULL;
}

/* The connection ended or broke before an answer. */
static void
no_answer(struct exchange *self)
{
	bool untouched = buffer_size(&self->in) == 0 && self->interim == 0;

	if (untouched && upstream_was_reused(self->connection) && !self->retried) {
		self->retried = true;
		services_count(self->services, METRIC_STORE_RETRIES, 1);
		drop_connection(self);
		if (!acquire(self, true))
			fail(self, PROBLEM_STORE_UNAVAILABLE, "no store can be reached");
		return;
	}
	fail(self, PROBLEM_STORE_BAD_RESPONSE, "connection closed");
}

/* Looks for the answer's head in `in`. False: it is not complete, or the exchange has failed. */
static bool
parse_head(struct exchange *self)
{
	for (;;) {
		enum http_scan_result result =
		    http_scan_head(&self->scan, buffer_bytes(&self->in), buffer_size(&self->in));
		if (result == HTTP_SCAN_INCOMPLETE)
			return false;
		if (result != HTTP_SCAN_COMPLETE) {
			fail(self, PROBLEM_STORE_BAD_RESPONSE,
			    result == HTTP_SCAN_MALFORMED ? self->scan.defect
			                                  : "the head is too large");
			return false;
		}
		const char *defect = response_gate_check(
		    buffer_bytes(&self->in), self->scan.head_len, &self->request, &self->response);
		if (defect != NULL) {
			fail(self, PROBLEM_STORE_BAD_RESPONSE, defect);
			return false;
		}
		if (!self->response.is_interim)
			return true;
		if (++self->interim > INTERIM_MAX) {
			fail(self, PROBLEM_STORE_BAD_RESPONSE, "too many interim answers");
			return false;
		}
		buffer_consume(&self->in, self->scan.head_len);
		self->scan = (struct http_scan){0};
		if (buffer_size(&self->in) == 0)
			return false;
	}
}

static void
read_head(struct exchange *self)
{
	char *room = buffer_reserve(&self->in, FIRST_READ);
	ssize_t n = recv(upstream_fd(self->connection), room, FIRST_READ, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		no_answer(self);
		return;
	}
	/* The timer goes on: a head that comes in drips is not progress. */
	buffer_commit(&self->in, (size_t)n);
	if (!parse_head(self))
		return;
	restart_timer(self);
	if (self->request.method == METHOD_PUT && self->sent < buffer_size(&self->out)) {
		fail(self, PROBLEM_STORE_BAD_RESPONSE, "an answer before the upload was sent");
		return;
	}
	self->answered = ev_now(self->services->loop);
	self->phase = EXCHANGE_BODY;
	upstream_want_write(self->connection, false);
	self->remaining = self->response.has_body ? self->response.content_length : 0;
	self->events->on_answer(self->arg);
}

static void
on_store_readable(void *arg)
{
	struct exchange *self = arg;

	if (self->phase == EXCHANGE_BODY)
		self->events->on_body(self->arg);
	else
		read_head(self);
}

/* The body is complete. Whatever else the store has sent makes its connection unusable. */
static void
finish(struct exchange *self, bool clean)
{
	self->phase = EXCHANGE_DONE;
	ev_timer_stop(self->services->loop, &self->timer);
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
	self->defect = why;
	log_warning("%s, %llu bytes missing, while %s store %s", why, self->remaining,
	    doing[self->phase], self->store_name);
	services_count(self->services, METRIC_STORE_FAILURES, 1);
	drop_connection(self);
	return EXCHANGE_CUT;
}

/* Takes body bytes that came with the head. */
static size_t
take_buffered(struct exchange *self, char *bytes, size_t n)
{
	size_t buffered = buffer_size(&self->in) - self->scan.head_len;
	size_t taken = buffered < n ? buffered : n;

	if (taken > self->remaining)
		taken = (size_t)self->remaining;
	if (taken == 0)
		return 0;
	memcpy(bytes, buffer_bytes(&self->in) + self->scan.head_len, taken);
	self->scan.head_len += taken;
	if (self->scan.head_len == buffer_size(&self->in)) {
		buffer_fini(&self->in);
		self->scan.head_len = 0;
	}
	return taken;
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
	size_t taken = take_buffered(self, bytes, n);
	if (taken == 0) {
		/* One byte more than is due, so that a store that sends more is noticed. */
		size_t most = self->remaining < n ? (size_t)self->remaining + 1 : n;
		ssize_t r = recv(upstream_fd(self->connection), bytes, most, 0);
		if (r < 0 && (errno == EAGAIN || errno == EINTR))
			return EXCHANGE_WAIT;
		if (r <= 0)
			return cut(self, r == 0 ? "connection closed" : strerror(errno));
		taken = (size_t)r;
		restart_timer(self);
	}
	bool excess = taken > self->remaining;
	*got = excess ? (size_t)self->remaining : taken;
	self->remaining -= *got;
	if (!self->events->check_piece(self->arg, bytes, *got, self->remaining == 0)) {
		--*got;
		self->remaining++;
		exchange_reject(self, "the content is not the one expected");
		return EXCHANGE_CUT;
	}
	if (self->remaining == 0)
		finish(self, !excess && buffer_size(&self->in) == self->scan.head_len);
	return EXCHANGE_OK;
}

void
exchange_reject(struct exchange *self, const char *why)
{
	assert(self->phase == EXCHANGE_BODY);
	self->defect = why;
	services_count(self->services, METRIC_STORE_FAILURES, 1);
	drop_connection(self);
}

void
exchange_pause(struct exchange *self)
{
	if (self->connection == NULL || self->paused)
		return;
	self->paused = true;
	ev_timer_stop(self->services->loop, &self->timer);
	upstream_want_read(self->connection, false);
}

void
exchange_resume(struct exchange *self)
{
	if (self->connection == NULL || !self->paused)
		return;
	self->paused = false;
	restart_timer(self);
	upstream_want_read(self->connection, true);
}

void
exchange_free(struct exchange *self)
{
	size_t got;

	if (self == NULL)
		return;
	/* An unwanted body that is all here already need not cost the connection. */
	if (self->connection != NULL && self->phase == EXCHANGE_BODY &&
	    self->remaining <= buffer_size(&self->in) - self->scan.head_len) {
		self->scan.head_len += (size_t)self->remaining;
		self->remaining = 0;
		(void)exchange_read(self, (char[1]){0}, 1, &got);
	}
	ev_timer_stop(self->services->loop, &self->timer);
	upstream_discard(self->connection);
	buffer_fini(&self->out);
	buffer_fini(&self->body);
	buffer_fini(&self->in);
	free(self);
}

const struct response *
exchange_response(const struct exchange *self)
{
	assert(self->phase == EXCHANGE_BODY);
	return &self->response;
}

unsigned long long
exchange_remaining(const struct exchange *self)
{
	return self->remaining;
}

const char *
exchange_store_name(const struct exchange *self)
{
	return self->store_name;
}

double
exchange_milliseconds(const struct exchange *self)
{
	double end = self->answered != 0 ? self->answered : ev_now(self->services->loop);
	return (end - self->started) * 1000;
}

const char *
exchange_defect(const struct exchange *self)
{
	return self->defect != NULL ? self->defect : "";
}
