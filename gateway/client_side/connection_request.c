/*
 * What comes in: the PROXY header, the handshake, heads and bodies of requests. The hard part is
 * that the client decides where the bytes are cut: a step takes what is there, be it half a head or
 * three requests, leaves the rest in `in`, and can be called again at any byte.
 */
#include "connection_private.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "gateway/http/request_gate.h"
#include "gateway/node/customer_rows.h"
#include "proxy_header.h"

/* ---- admission ---- */

void
connection_request_set_address(struct connection *self, const struct sockaddr_storage *address)
{
	char text[INET6_ADDRSTRLEN] = "?";

	self->address = *address;
	if (address->ss_family == AF_INET) {
		struct sockaddr_in v4;
		memcpy(&v4, address, sizeof v4);
		inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
	} else {
		struct sockaddr_in6 v6;
		memcpy(&v6, address, sizeof v6);
		if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
			inet_ntop(AF_INET, v6.sin6_addr.s6_addr + 12, text, sizeof text);
		else
			inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
	}
	(void)snprintf(self->address_text, sizeof self->address_text, "%s", text);
	self->address_key =
	    quota_address_key(self->services->quota, (const struct sockaddr *)&self->address);
}

/* A full handshake is what a client costs us most. */
static bool
admit_handshake(void *arg)
{
	struct connection *self = arg;
	struct services *services = self->services;
	const struct config_limits *limits = &services->config->limits;

	if (quota_handshake_take(services->quota, self->address_key, limits->handshakes_per_second,
	        limits->handshakes_per_second_per_address))
		return true;
	services_count(services, METRIC_HANDSHAKES_OVER_LIMIT, 1);
	return false;
}

/* Its handshake can go on, when it is its turn. */
static void
on_signed(void *arg)
{
	struct connection *self = arg;

	assert(self->state != CONN_CLOSED);
	turns_wait(self->services->turns, &self->turn);
}

bool
connection_request_admit(struct connection *self)
{
	struct services *services = self->services;
	const struct config_limits *limits = &services->config->limits;

	assert(self->state == CONN_PROXY_HEADER && self->tls == NULL && !self->address_counted);
	self->address_counted = quota_connection_open(
	    services->quota, services->worker, self->address_key, limits->connections_per_address);
	if (!self->address_counted) {
		services_count(services, METRIC_CONNECTIONS_REFUSED, 1);
		connection_close_now(self, CLOSE_LIMIT);
		return false;
	}
	turns_join(services->turns, &self->turn, self->address_key.hash);
	self->tls = tls_stream_new(
	    services->tls, services->wire, self->fd, admit_handshake, on_signed, self);
	self->peer.tls = self->tls;
	connection_set_state(self, CONN_HANDSHAKE);
	return true;
}

bool
connection_request_step_proxy_header(struct connection *self)
{
	size_t used = 0;
	struct sockaddr_storage address = self->address;
	assert(self->state == CONN_PROXY_HEADER && self->tls == NULL);
	char *room = buffer_reserve(&self->in, PROXY_HEADER_MAX);
	ssize_t n = recv(self->fd, room, PROXY_HEADER_MAX, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		connection_close_now(self, n == 0 ? CLOSE_PEER_TRUNCATED : CLOSE_PEER_RESET);
		return false;
	}
	assert(n <= PROXY_HEADER_MAX);
	self->received = true;
	buffer_commit(&self->in, (size_t)n);
	switch (
	    proxy_header_read(buffer_bytes(&self->in), buffer_size(&self->in), &used, &address)) {
	case PROXY_HEADER_INCOMPLETE:
		if (buffer_size(&self->in) > PROXY_HEADER_MAX)
			connection_close_now(self, CLOSE_PROXY_REFUSED);
		return false;
	case PROXY_HEADER_REFUSED:
		connection_close_now(self, CLOSE_PROXY_REFUSED);
		return false;
	case PROXY_HEADER_COMPLETE:
		break;
	}
	assert(used <= buffer_size(&self->in));
	buffer_consume(&self->in, used);
	self->received = buffer_size(&self->in) > 0;
	connection_request_set_address(self, &address);
	if (!connection_request_admit(self))
		return false;
	if (buffer_size(&self->in) > 0)
		tls_stream_feed(self->tls, buffer_bytes(&self->in), buffer_size(&self->in));
	buffer_fini(&self->in);
	return true;
}

/* The handshake is complete and the certificate good: who is it, and is there room for it? */
static enum limit
identify(struct connection *self)
{
	struct services *services = self->services;
	const struct identity *identity = tls_stream_identity(self->tls);
	const char *subject = identity->subject;

	assert(subject[0] != '\0' && !self->customer_counted);
	self->caller = policy_find_certified(services->policy, subject, identity->issuer);
	bool customer = self->caller.role == POLICY_ROLE_CUSTOMER;
	self->caller_key =
	    quota_text_key(services->quota, customer ? self->caller.customer : subject);
	if (customer)
		self->peer.customer_row =
		    customer_rows_find(metrics_customers(services->metrics), self->caller.customer);
	turns_join(services->turns, &self->turn, self->caller_key.hash);
	return connection_limits_admit(self);
}

/* There is no head and will never be one: REFUSAL is the answer, whatever else came is dropped. */
static void
begin_refused(struct connection *self, struct refusal refusal)
{
	assert(self->transaction == NULL && self->tls != NULL);
	self->transaction =
	    transaction_begin_refused(self->services, &self->peer, &refusal, self->head_started);
	buffer_fini(&self->in);
	self->scan = (struct http_scan){0};
	connection_answer_start(self);
}

/* One connection too many: says so, whether or not there is a request, and closes. */
static void
refuse(struct connection *self, enum limit over)
{
	assert(over != LIMIT_NONE);
	self->one_too_many = true;
	self->peer.over = over;
	self->head_started = clock_seconds();
	begin_refused(self, (struct refusal){PROBLEM_TOO_MANY, NULL, true});
}

/* A handshake that a reload overtook was verified by the old rules. */
static bool
verify_by_current_rules(struct connection *self)
{
	return tls_stream_context(self->tls) == self->services->tls ||
	       tls_stream_verify_again(self->tls, self->services->tls) == NULL;
}

bool
connection_request_step_handshake(struct connection *self)
{
	assert(self->state == CONN_HANDSHAKE && self->tls != NULL);
	enum tls_status status = tls_stream_handshake(self->tls);
	enum tls_status flushed = tls_stream_flush(self->tls);

	if ((status == TLS_WANT_READ || status == TLS_WANT_SIGNATURE) && flushed != TLS_RESET)
		return false;
	if (flushed == TLS_RESET) {
		connection_close_now(self, CLOSE_PEER_RESET);
		return false;
	}
	if (status == TLS_OK && !verify_by_current_rules(self))
		status = TLS_REFUSED;
	if (status != TLS_OK) {
		connection_state_refuse_handshake(self);
		return true;
	}
	connection_count_handshake(self);
	enum limit over = identify(self);
	self->certificate_ends = tls_stream_certificate_ends(self->tls);
	connection_set_state(self, CONN_IDLE);
	if (over != LIMIT_NONE)
		refuse(self, over);
	return true;
}

/* ---- requests ---- */

bool
connection_request_fill_input(struct connection *self, size_t max)
{
	size_t got;

	assert(self->tls != NULL);
	while (!self->input_over && buffer_size(&self->in) < max) {
		switch (tls_stream_read(self->tls, self->services->piece, TLS_PIECE_MIN, &got)) {
		case TLS_OK:
			assert(got > 0 && got <= TLS_PIECE_MIN);
			buffer_append(&self->in, self->services->piece, got);
			continue;
		case TLS_WANT_READ:
			return true;
		case TLS_CLOSED:
			self->input_over = true;
			return true;
		default:
			(void)tls_stream_flush(self->tls); /* the alert */
			if (tls_stream_is_flooding(self->tls))
				services_count(self->services, METRIC_CONNECTIONS_FLOODING, 1);
			connection_close_now(self, CLOSE_TLS_FAULT);
			return false;
		}
	}
	return true;
}

/* The head is complete. */
static void
begin(struct connection *self)
{
	assert(self->transaction == NULL);
	assert(self->scan.head_len > 0 && self->scan.head_len <= buffer_size(&self->in));
	self->peer.over = connection_limits_request(self);
	self->transaction = transaction_begin(self->services, &self->peer,
	    (struct http_span){buffer_bytes(&self->in), self->scan.head_len}, self->head_started);
	buffer_consume(&self->in, self->scan.head_len);
	self->scan = (struct http_scan){0};
	if (transaction_body_wanted(self->transaction) == 0) {
		connection_answer_start(self);
		return;
	}
	connection_set_state(self, CONN_READ_BODY);
	self->pace = (struct pace){0};
	pace_wait(&self->pace, clock_seconds(), 0);
}

bool
connection_request_step_head(struct connection *self)
{
	assert(self->transaction == NULL);
	if (self->paused)
		return false;
	if (!connection_request_fill_input(self, HTTP_HEAD_MAX + 1))
		return false;
	if (buffer_size(&self->in) == 0) {
		if (self->input_over || self->services->draining)
			connection_say_goodbye(
			    self, self->input_over ? CLOSE_PEER_DONE : CLOSE_DRAINED);
		return self->state == CONN_CLOSING;
	}
	if (self->state == CONN_IDLE) {
		self->has_asked = true;
		self->head_started = clock_seconds();
		connection_set_state(self, CONN_READ_HEAD);
	}
	enum http_scan_result result =
	    http_scan_head(&self->scan, buffer_bytes(&self->in), buffer_size(&self->in));
	if (result == HTTP_SCAN_INCOMPLETE && buffer_size(&self->in) > HTTP_HEAD_MAX)
		result = HTTP_SCAN_FIELDS_TOO_LARGE;
	if (result == HTTP_SCAN_INCOMPLETE) {
		if (self->input_over)
			connection_say_goodbye(self, CLOSE_PEER_DONE);
		return self->input_over;
	}
	if (result == HTTP_SCAN_COMPLETE)
		begin(self);
	else
		begin_refused(self, request_gate_scan_refusal(result, &self->scan));
	return true;
}

void
connection_request_body_timed_out(struct connection *self, enum close_reason reason)
{
	assert(self->state == CONN_READ_BODY && self->transaction != NULL);
	self->refused_because = reason;
	transaction_body_timed_out(self->transaction);
	connection_answer_start(self);
}

bool
connection_request_step_body(struct connection *self)
{
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
	size_t wanted = transaction_body_wanted(self->transaction);

	assert(wanted > 0);
	if (buffer_size(&self->in) == 0 && transaction_take_continue(self->transaction))
		(void)tls_stream_write(self->tls, interim, sizeof interim - 1);
	if (tls_stream_flush(self->tls) == TLS_RESET) {
		connection_close_now(self, CLOSE_PEER_RESET);
		return false;
	}
	if (!connection_request_fill_input(self, 1))
		return false;
	size_t n = buffer_size(&self->in) < wanted ? buffer_size(&self->in) : wanted;
	if (n == 0) {
		if (self->input_over)
			connection_close_now(self, CLOSE_PEER_TRUNCATED);
		return false;
	}
	assert(n <= wanted);
	pace_move(&self->pace, n);
	if (connection_state_judge_pace(self, 0, 0) != PACE_GOOD) {
		connection_request_body_timed_out(self, CLOSE_TOO_SLOW);
		return true;
	}
	transaction_push_body(self->transaction, buffer_bytes(&self->in), n);
	buffer_consume(&self->in, n);
	if (transaction_body_wanted(self->transaction) == 0)
		connection_answer_start(self);
	return true;
}

void
connection_request_head_timed_out(struct connection *self)
{
	assert(self->state == CONN_READ_HEAD);
	self->refused_because = CLOSE_REQUEST_TIMEOUT;
	begin_refused(self, (struct refusal){PROBLEM_REQUEST_TIMEOUT,
	                        "The request's head did not come in time", true});
}
