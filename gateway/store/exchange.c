/*
 * One exchange with the store: the request, and the head of the answer. The hard part is a
 * connection that ends before it: a kept-alive one may have had its day, a new one speaks against
 * its server.
 */
#include "exchange_private.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "gateway/node/log.h"
#include "store_servers.h"
#include "upstream.h"

enum {
	FIRST_READ = 32 * 1024, /* bytes: the head and the start of the body */
	INTERIM_MAX = 8,        /* 1xx answers skipped before the real one */
	STATUS_MOVED = 301,
	STATUS_REFUSED = 400, /* and above */
	STATUS_FORBIDDEN = 403,
	STATUS_FAILED = 500, /* and above: the store cannot, whatever is asked */
	STATUS_NOT_IMPLEMENTED = 501,
	STATUS_VERSION_UNKNOWN = 505,
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

/* FNV-1a: all that is asked of it is that customers differ. */
static uint64_t
hash_text(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
	return hash;
}

static void
on_store_ready(void *arg)
{
	exchange_start_sending(arg);
}

static void
on_store_writable(void *arg)
{
	struct exchange *self = arg;
	if (self->phase == EXCHANGE_SENDING)
		exchange_send(self);
}

static void
on_store_unreachable(void *arg)
{
	struct exchange *self = arg;

	assert(self->phase == EXCHANGE_CONNECTING);
	self->connection = NULL; /* already gone */
	exchange_fail_unreachable(self);
}

struct exchange *
exchange_start(struct services *services, const struct exchange_order *order,
    const struct exchange_events *events, void *arg)
{
	struct exchange *self = buffer_alloc(sizeof *self);

	assert(order->body_len == 0 || order->request->method == METHOD_PUT);
	assert(order->path_len > 0 && order->path[0] == '/');
	self->services = services;
	self->upstream = upstream_ref(services->upstream);
	self->store_name = "";
	self->request = *order->request;
	self->events = events;
	self->store_events = &store_events;
	self->arg = arg;
	self->customer = hash_text(order->customer);
	self->started = clock_seconds();
	ev_init(&self->timer, exchange_on_timeout);
	self->timer.data = self;
	exchange_order_print(order, &self->order);
	request_detach(&self->request);
	buffer_append(&self->body, order->body, order->body_len);
	if (exchange_acquire(self, order->request->method == METHOD_PUT))
		return self;
	services_count(services, METRIC_STORE_FAILURES, 1);
	exchange_free(self);
	return NULL;
}

/* The connection ended or broke before an answer. */
static void
no_answer(struct exchange *self, ssize_t received)
{
	assert(self->phase < EXCHANGE_BODY);
	bool untouched = buffer_size(&self->in) == 0 && self->interim == 0;

	if (untouched && upstream_was_reused(self->connection) && !self->retried) {
		self->retried = true;
		services_count(self->services, METRIC_STORE_RETRIES, 1);
		exchange_drop_connection(self);
		if (!exchange_acquire(self, true))
			exchange_fail_unreachable(self);
		return;
	}
	/* A plain connection has no more to say than that. */
	bool is_told = received < 0 && upstream_store(self->connection)->tls_name != NULL;
	(void)snprintf(self->said, sizeof self->said, "%s",
	    upstream_why(self->connection, is_told ? received : 0, errno));
	exchange_server_failed(self, PROBLEM_STORE_BAD_RESPONSE, self->said);
}

/* What nginx says of a folder (301) and S3 of a key that is missing (403): there is no such file.
 */
static bool
is_not_found(const struct exchange *self)
{
	const struct response *response = &self->response;

	return response->is_http && self->request.method != METHOD_PUT &&
	       (response->status == STATUS_MOVED || response->status == STATUS_FORBIDDEN);
}

/* An answer that is good HTTP and may not pass is not the server's fault: a client may have asked
 * for what is elsewhere (301), forbidden (403) or another part. But 5xx says that the server cannot
 * do its work; those that speak of the request are none. */
static bool
is_servers_fault(const struct response *response)
{
	unsigned status = response->status;

	return !response->is_http || (status >= STATUS_FAILED && status != STATUS_NOT_IMPLEMENTED &&
	                                 status != STATUS_VERSION_UNKNOWN);
}

/* Looks for the answer's head in `in`. False: it is not complete, or the exchange has failed. */
static bool
parse_head(struct exchange *self)
{
	assert(self->connection != NULL);
	for (;;) {
		enum http_scan_result result =
		    http_scan_head(&self->scan, buffer_bytes(&self->in), buffer_size(&self->in));
		if (result == HTTP_SCAN_INCOMPLETE)
			return false;
		if (result == HTTP_SCAN_MALFORMED) {
			exchange_server_failed(self, PROBLEM_STORE_BAD_RESPONSE, self->scan.defect);
			return false;
		}
		if (result != HTTP_SCAN_COMPLETE) { /* it may repeat a long path */
			exchange_fail(self, PROBLEM_STORE_BAD_RESPONSE, "the head is too large");
			return false;
		}
		const char *defect = response_gate_check(
		    buffer_bytes(&self->in), self->scan.head_len, &self->request, &self->response);
		if (defect != NULL)
			defect = exchange_said(self, defect);
		if (defect != NULL && is_servers_fault(&self->response)) {
			exchange_server_failed(self, PROBLEM_STORE_BAD_RESPONSE, defect);
			return false;
		}
		if (defect != NULL && is_not_found(self)) {
			store_server_answered(upstream_server(self->connection));
			exchange_drop_connection(self);
			self->events->on_failed(self->arg, PROBLEM_NOT_FOUND, defect);
			return false;
		}
		if (defect != NULL) {
			exchange_fail(self, PROBLEM_STORE_BAD_RESPONSE, defect);
			return false;
		}
		if (!self->response.is_interim)
			return true;
		if (++self->interim > INTERIM_MAX) {
			exchange_server_failed(
			    self, PROBLEM_STORE_BAD_RESPONSE, "too many interim answers");
			return false;
		}
		assert(self->scan.head_len <= buffer_size(&self->in));
		buffer_consume(&self->in, self->scan.head_len);
		self->scan = (struct http_scan){0};
		if (buffer_size(&self->in) == 0)
			return false;
	}
}

static void
read_head(struct exchange *self)
{
	assert(self->phase < EXCHANGE_BODY && self->connection != NULL);
	char *room = buffer_reserve(&self->in, FIRST_READ);
	ssize_t n = upstream_receive(self->connection, room, FIRST_READ);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		no_answer(self, n);
		return;
	}
	assert(n <= FIRST_READ);
	/* The timer goes on: a head that comes in drips is not progress. */
	buffer_commit(&self->in, (size_t)n);
	self->drained = n < FIRST_READ;
	if (!parse_head(self))
		return;
	if (self->request.method == METHOD_PUT && self->sent < buffer_size(&self->out)) {
		exchange_fail(
		    self, PROBLEM_STORE_BAD_RESPONSE, "an answer before the upload was sent");
		return;
	}
	assert(self->scan.head_len <= buffer_size(&self->in) && !self->response.is_interim);
	self->answered = clock_seconds();
	store_server_took(upstream_server(self->connection), self->answered - self->asked);
	if (self->response.status >= STATUS_REFUSED) /* nobody may want the body */
		store_server_answered(upstream_server(self->connection));
	self->phase = EXCHANGE_BODY;
	exchange_restart_timer(self);
	upstream_want_write(self->connection, false);
	self->remaining = self->response.has_body ? self->response.content_length : 0;
	self->events->on_answer(self->arg);
}

static void
on_store_readable(void *arg)
{
	struct exchange *self = arg;

	assert(self->phase != EXCHANGE_DONE && self->connection != NULL);
	self->drained = false;
	if (self->phase == EXCHANGE_BODY)
		self->events->on_body(self->arg);
	else
		read_head(self);
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

bool
exchange_may_be_done(const struct exchange *self)
{
	assert(self->sent <= buffer_size(&self->out));
	bool whole = self->sent > 0 && self->sent == buffer_size(&self->out);

	return whole && self->response.status < STATUS_REFUSED;
}

const char *
exchange_store_name(const struct exchange *self)
{
	return self->store_name;
}

unsigned
exchange_store_status(const struct exchange *self)
{
	return self->response.status;
}

double
exchange_milliseconds(const struct exchange *self)
{
	double end = self->answered != 0 ? self->answered : clock_seconds();
	return (end - self->started) * 1000;
}
