/*
 * One client connection. Read run() for its life: PROXY header, handshake, then head, body,
 * answer, head, ... until it closes. The hard part is that any step may end the connection: run()
 * and the events guard it, and its memory goes only when the outermost of them is done.
 */
#include "connection.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access_log.h"
#include "log.h"
#include "proxy_header.h"
#include "transaction.h"

enum {
	READ_AHEAD_MAX = HTTP_HEAD_MAX + 1, /* bytes of later requests kept while one is served */
	PIECES_PER_TURN = 4,                /* then other connections have their turn */
	ANSWERS_PER_TURN = 4,               /* the same, for a client that pipelines */
	NOTSENT_LOWAT = TLS_PIECE_MAX,      /* bytes; see tls_stream_room() */
	LINGER_BYTES_MAX = 1024 * 1024,
};

static const double linger_seconds = 2;
static const double rate_window = 30;       /* seconds over which min_rate is averaged */
static const double slow_check_seconds = 1; /* how often a slow client is looked at */

/*          state          what is being done */
#define STATE_TABLE(X)                                    \
	X(CONN_PROXY_HEADER, "reading the PROXY header")  \
	X(CONN_HANDSHAKE, "in the TLS handshake")         \
	X(CONN_IDLE, "waiting for a request")             \
	X(CONN_READ_HEAD, "reading a request's head")     \
	X(CONN_READ_BODY, "reading a request's body")     \
	X(CONN_ANSWER, "sending an answer")               \
	X(CONN_CLOSING, "saying goodbye")                 \
	X(CONN_LINGER, "waiting for the client to close") \
	X(CONN_CLOSED, "closed")

#define STATE_ENUM(name, doing) name,
enum state { STATE_TABLE(STATE_ENUM) };
#define STATE_DOING(name, doing) doing,
static const char *const doing[] = {STATE_TABLE(STATE_DOING)};

struct connection {
	struct services *services;
	struct connection_links links;
	connection_life_fn *ended;
	void *arg;
	const struct config_listen *listen;
	int fd;
	enum state state;
	unsigned entered; /* events in progress: memory stays until the last returns */
	bool running;     /* inside run() */
	unsigned answers; /* finished in this run() */
	ev_io reader, writer;
	ev_timer timer;    /* the state's; one at a time */
	ev_timer throttle; /* the customer's rate */

	struct sockaddr_storage address;
	char address_text[INET6_ADDRSTRLEN + 8];
	struct quota_key address_key, customer_key;
	bool address_counted, customer_counted, handshake_counted;
	struct policy_caller caller;
	struct transaction_peer peer;

	struct tls_stream *tls;
	bool received;    /* any byte at all */
	bool input_over;  /* close_notify came: no more requests */
	struct buffer in; /* plaintext, or the PROXY header */
	struct http_scan scan;
	double head_started;

	struct transaction *transaction;
	bool may_write; /* the socket has just said that it takes more */
	bool wait_writable, throttled, complete;
	enum close_reason closing_because;

	double body_started;
	uint64_t body_bytes;
	double blocked_since; /* 0: not blocked; when the client last stopped taking bytes */
	double progress_at;   /* when it last took some */
	double slow_time;     /* seconds blocked in this window */
	uint64_t slow_bytes;  /* given to the socket in this window */
	size_t window_queued; /* bytes on their way when the window began */
	size_t last_queued;   /* and when they were looked at last */
	size_t lingered;
};

static void run(struct connection *self);
static void take_turns(struct connection *self);
static void on_transaction_wake(void *arg);

static double
loop_now(const struct connection *self)
{
	return ev_now(self->services->loop);
}

struct connection_links *
connection_links(struct connection *self)
{
	return &self->links;
}

/* ---- state, timer, watchers ---- */

static double
state_timeout(const struct connection *self)
{
	const struct config_timeouts *timeouts = &self->services->config->timeouts;

	switch (self->state) {
	case CONN_PROXY_HEADER:
	case CONN_HANDSHAKE:
		return timeouts->handshake;
	case CONN_IDLE:
		return timeouts->idle;
	case CONN_READ_HEAD:
		return timeouts->request;
	case CONN_READ_BODY:
		return timeouts->body;
	case CONN_CLOSING:
		return timeouts->send;
	case CONN_LINGER:
		return linger_seconds;
	case CONN_ANSWER: /* the store has its own timer; see set_blocked() for the client's */
	case CONN_CLOSED:
		break;
	}
	return 0;
}

static void
restart_timer(struct connection *self, double after)
{
	self->timer.repeat = after;
	ev_timer_again(self->services->loop, &self->timer); /* with 0 it stops */
}

static void
connection_set_state(struct connection *self, enum state state)
{
	assert(self->state != CONN_CLOSED && self->state <= CONN_LINGER);
	assert(state > CONN_HANDSHAKE || self->state <= state);
	if (self->state == CONN_PROXY_HEADER && state == CONN_HANDSHAKE) {
		self->state = state; /* one timeout for both */
		return;
	}
	self->state = state;
	restart_timer(self, state_timeout(self));
}

/* Nothing is read while output waits: who makes us write must take it. */
static bool
wants_to_read(const struct connection *self)
{
	if (self->tls != NULL && tls_stream_has_pending(self->tls))
		return false;
	switch (self->state) {
	case CONN_CLOSED:
	case CONN_CLOSING:
		return false;
	case CONN_LINGER:
		return true;
	case CONN_ANSWER:
		return !self->input_over && buffer_size(&self->in) < READ_AHEAD_MAX;
	default:
		return !self->input_over;
	}
}

static void
set_watcher(struct connection *self, ev_io *watcher, bool on)
{
	if (on)
		ev_io_start(self->services->loop, watcher);
	else
		ev_io_stop(self->services->loop, watcher);
}

/* The one place where watchers start and stop. */
static void
connection_update_watchers(struct connection *self)
{
	bool pending = self->tls != NULL && tls_stream_has_pending(self->tls);

	set_watcher(self, &self->reader, wants_to_read(self));
	/* Whoever is blocked waits for on_writable(), though a later flush may have sent the rest.
	 */
	set_watcher(self, &self->writer, pending || self->blocked_since != 0);
}

/* ---- the end ---- */

static enum log_level
level_of(enum close_reason reason)
{
	switch (close_reason_level(reason)) {
	case CLOSE_NORMAL:
		return LOG_LEVEL_DEBUG;
	case CLOSE_PEER_FAULT:
		return LOG_LEVEL_INFO;
	case CLOSE_STORE_FAULT:
		return LOG_LEVEL_WARNING;
	case CLOSE_OUR_FAULT:
		break;
	}
	return LOG_LEVEL_ERROR;
}

static void
log_close(const struct connection *self, enum close_reason reason)
{
	const char *defect = self->tls != NULL ? tls_stream_defect(self->tls) : "";

	void (*log)(const char *, ...) __attribute__((format(printf, 1, 2))) = log_debug;
	switch (level_of(reason)) {
	case LOG_LEVEL_ERROR:
		log = log_error;
		break;
	case LOG_LEVEL_WARNING:
		log = log_warning;
		break;
	case LOG_LEVEL_INFO:
		log = log_info;
		break;
	case LOG_LEVEL_DEBUG:
		break;
	}
	log("%s while %s, client %s%s%s", close_reason_text(reason), doing[self->state],
	    self->address_text, defect[0] != '\0' ? ": " : "", defect);
}

/* A handshake that fails has no transaction to log it. */
static void
log_refused_handshake(struct connection *self, enum close_reason reason)
{
	const struct identity *identity = tls_stream_identity(self->tls);
	const char *defect = tls_stream_defect(self->tls);
	struct access_record record = {
	    .generation = self->services->generation,
	    .client = self->address_text,
	    .tls = tls_stream_version(self->tls),
	    .cipher = tls_stream_cipher(self->tls),
	    .subject = identity->subject[0] != '\0' ? identity->subject : NULL,
	    .serial = identity->serial[0] != '\0' ? identity->serial : NULL,
	    .operation = "handshake",
	    .reason = defect[0] != '\0' ? defect : close_reason_text(reason),
	    .started = loop_now(self),
	    .close = close_reason_text(reason),
	};

	access_log_new_request_id(self->services->access_log, record.request_id);
	services_count(self->services, METRIC_HANDSHAKES_REFUSED, 1);
	access_log_write(self->services->access_log, &record);
}

static void
return_handshake(struct connection *self)
{
	const struct config_limits *limits = &self->services->config->limits;

	if (self->handshake_counted)
		quota_handshake_return(self->services->quota, self->address_key,
		    limits->handshakes_per_second, limits->handshakes_per_second_per_address);
	self->handshake_counted = false;
}

static void
return_quota(struct connection *self)
{
	struct services *services = self->services;

	if (self->address_counted)
		quota_connection_close(services->quota, services->worker, self->address_key);
	if (self->customer_counted)
		quota_connection_close(services->quota, services->worker, self->customer_key);
	if (!self->received)
		return_handshake(self);
	self->address_counted = self->customer_counted = false;
}

static void
end_transaction(struct connection *self, const char *close, const char *reason)
{
	struct transaction *transaction = self->transaction;

	self->transaction = NULL;
	transaction_end(transaction, close, reason);
}

static const char *
cut_reason(enum close_reason reason)
{
	switch (reason) {
	case CLOSE_REVOKED:
		return problem_name(PROBLEM_CERTIFICATE_REVOKED);
	case CLOSE_WITHDRAWN:
		return problem_name(PROBLEM_NOT_LICENSED);
	case CLOSE_STORE_TRUNCATED:
	case CLOSE_STORE_STALLED:
		return NULL; /* the transaction knows better */
	default:
		return close_reason_text(reason);
	}
}

/* Ends it. Its memory goes when the outermost event is over. */
static void
close_now(struct connection *self, enum close_reason reason)
{
	if (self->state == CONN_CLOSED)
		return;
	if (!self->received && (reason == CLOSE_PEER_TRUNCATED || reason == CLOSE_PEER_RESET))
		reason = CLOSE_PROBED;
	if (reason != CLOSE_HANDSHAKE_REFUSED) /* logged when it was refused */
		log_close(self, reason);
	if (reason == CLOSE_PROBED)
		services_count(self->services, METRIC_CONNECTIONS_PROBED, 1);
	else if (self->state == CONN_HANDSHAKE)
		log_refused_handshake(self, reason);
	if (self->transaction != NULL) {
		services_count(self->services, METRIC_TRANSFERS_CUT, 1);
		end_transaction(self, close_reason_text(reason), cut_reason(reason));
	}
	return_quota(self);
	self->state = CONN_CLOSED;
	ev_io_stop(self->services->loop, &self->reader);
	ev_io_stop(self->services->loop, &self->writer);
	ev_timer_stop(self->services->loop, &self->timer);
	ev_timer_stop(self->services->loop, &self->throttle);
	close(self->fd);
	self->fd = -1;
}

static void
enter(struct connection *self)
{
	self->entered++;
}

/* The end of an event. */
static void
leave(struct connection *self)
{
	if (--self->entered > 0)
		return;
	if (self->state != CONN_CLOSED) {
		if (self->tls != NULL)
			tls_stream_settle(self->tls);
		connection_update_watchers(self);
		return;
	}
	self->ended(self->arg, self);
	tls_stream_free(self->tls);
	self->tls = NULL;
	buffer_fini(&self->in);
	free(self);
}

/* Ends the connection in the proper way: close_notify, FIN, and a moment for the client to read
 * what was sent before a reset could destroy it. */
static void
say_goodbye(struct connection *self, enum close_reason reason)
{
	self->closing_because = reason;
	connection_set_state(self, CONN_CLOSING);
	tls_stream_shutdown(self->tls);
}

static bool
step_closing(struct connection *self)
{
	switch (tls_stream_flush(self->tls)) {
	case TLS_OK:
		break;
	case TLS_WANT_WRITE:
		return false;
	default:
		close_now(self, CLOSE_PEER_RESET);
		return false;
	}
	if (self->input_over || shutdown(self->fd, SHUT_WR) != 0) {
		close_now(self, self->closing_because);
		return false;
	}
	buffer_fini(&self->in);
	connection_set_state(self, CONN_LINGER);
	return false;
}

/* Throws away what still comes, so that the close sends no reset. */
static void
linger(struct connection *self)
{
	char scrap[4096];
	ssize_t n = recv(self->fd, scrap, sizeof scrap, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	self->lingered += n > 0 ? (size_t)n : 0;
	if (n <= 0 || self->lingered > LINGER_BYTES_MAX)
		close_now(self, self->closing_because);
}

/* ---- admission ---- */

static void
set_address(struct connection *self, const struct sockaddr_storage *address)
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
}

/* The client's own address is known: apply the limits for each address, then begin TLS. */
static bool
admit(struct connection *self)
{
	struct services *services = self->services;
	const struct config_limits *limits = &services->config->limits;

	self->address_key =
	    quota_address_key(services->quota, (const struct sockaddr *)&self->address);
	self->address_counted = quota_connection_open(
	    services->quota, services->worker, self->address_key, limits->connections_per_address);
	self->handshake_counted =
	    self->address_counted &&
	    quota_handshake_take(services->quota, self->address_key, limits->handshakes_per_second,
	        limits->handshakes_per_second_per_address);
	if (!self->handshake_counted) {
		services_count(services, METRIC_CONNECTIONS_REFUSED, 1);
		close_now(self, CLOSE_LIMIT);
		return false;
	}
	self->tls = tls_stream_new(services->tls, services->io, self->fd);
	self->peer = (struct transaction_peer){.address = self->address_text,
	    .tls = self->tls,
	    .caller = &self->caller,
	    .wake = on_transaction_wake,
	    .arg = self};
	connection_set_state(self, CONN_HANDSHAKE);
	return true;
}

static bool
step_proxy_header(struct connection *self)
{
	size_t used = 0;
	struct sockaddr_storage address = self->address;
	char *room = buffer_reserve(&self->in, PROXY_HEADER_MAX);
	ssize_t n = recv(self->fd, room, PROXY_HEADER_MAX, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		close_now(self, n == 0 ? CLOSE_PEER_TRUNCATED : CLOSE_PEER_RESET);
		return false;
	}
	self->received = true;
	buffer_commit(&self->in, (size_t)n);
	switch (
	    proxy_header_read(buffer_bytes(&self->in), buffer_size(&self->in), &used, &address)) {
	case PROXY_HEADER_INCOMPLETE:
		if (buffer_size(&self->in) > PROXY_HEADER_MAX)
			close_now(self, CLOSE_PROXY_REFUSED);
		return false;
	case PROXY_HEADER_REFUSED:
		close_now(self, CLOSE_PROXY_REFUSED);
		return false;
	case PROXY_HEADER_COMPLETE:
		break;
	}
	buffer_consume(&self->in, used);
	self->received = buffer_size(&self->in) > 0;
	set_address(self, &address);
	if (!admit(self))
		return false;
	if (buffer_size(&self->in) > 0)
		tls_stream_feed(self->tls, buffer_bytes(&self->in), buffer_size(&self->in));
	buffer_fini(&self->in);
	return true;
}

/* The handshake is complete and the certificate good: who is it? */
static void
identify(struct connection *self)
{
	struct services *services = self->services;
	const char *subject = tls_stream_identity(self->tls)->subject;

	self->caller = policy_find_caller(services->policy, subject);
	if (self->caller.role != POLICY_ROLE_CUSTOMER)
		return;
	self->customer_key = quota_text_key(services->quota, self->caller.customer);
	self->customer_counted = quota_connection_open(
	    services->quota, services->worker, self->customer_key, self->caller.connections);
	self->peer.over_limit = !self->customer_counted;
}

/* A handshake that a reload overtook was verified by the old rules. */
static bool
verify_by_current_rules(struct connection *self)
{
	return tls_stream_context(self->tls) == self->services->tls ||
	       tls_stream_verify_again(self->tls, self->services->tls) == NULL;
}

static bool
step_handshake(struct connection *self)
{
	enum tls_status status = tls_stream_handshake(self->tls);
	enum tls_status flushed = tls_stream_flush(self->tls);

	if (status == TLS_WANT_READ && flushed != TLS_RESET)
		return false;
	if (flushed == TLS_RESET) {
		close_now(self, CLOSE_PEER_RESET);
		return false;
	}
	if (status == TLS_OK && !verify_by_current_rules(self))
		status = TLS_REFUSED;
	if (status != TLS_OK) { /* let the alert reach the client */
		log_close(self, CLOSE_HANDSHAKE_REFUSED);
		log_refused_handshake(self, CLOSE_HANDSHAKE_REFUSED);
		say_goodbye(self, CLOSE_HANDSHAKE_REFUSED);
		return true;
	}
	if (tls_stream_is_resumed(self->tls))
		return_handshake(self);
	services_count(self->services,
	    tls_stream_is_resumed(self->tls) ? METRIC_HANDSHAKES_RESUMED : METRIC_HANDSHAKES, 1);
	identify(self);
	connection_set_state(self, CONN_IDLE);
	return true;
}

/* ---- requests ---- */

/* Decrypts what is there into `in`, up to MAX bytes. False: the connection has ended. */
static bool
fill_input(struct connection *self, size_t max)
{
	size_t got;

	while (!self->input_over && buffer_size(&self->in) < max) {
		switch (tls_stream_read(self->tls, self->services->piece, TLS_PIECE_MIN, &got)) {
		case TLS_OK:
			buffer_append(&self->in, self->services->piece, got);
			continue;
		case TLS_WANT_READ:
			return true;
		case TLS_CLOSED:
			self->input_over = true;
			return true;
		default:
			(void)tls_stream_flush(self->tls); /* the alert */
			close_now(self, CLOSE_TLS_FAULT);
			return false;
		}
	}
	return true;
}

static void
start_answer(struct connection *self)
{
	self->may_write = true;
	self->complete = false;
	self->slow_time = 0;
	self->slow_bytes = 0;
	self->window_queued = 0;
	connection_set_state(self, CONN_ANSWER);
}

static void
on_transaction_wake(void *arg)
{
	struct connection *self = arg;

	enter(self);
	run(self);
	leave(self);
}

/* The head is complete, or can never be. */
static void
begin_transaction(struct connection *self, enum http_scan_result result)
{
	if (result == HTTP_SCAN_COMPLETE) {
		self->transaction = transaction_begin(self->services, &self->peer,
		    (struct http_span){buffer_bytes(&self->in), self->scan.head_len},
		    self->head_started);
		buffer_consume(&self->in, self->scan.head_len);
	} else {
		struct refusal refusal = request_gate_scan_refusal(result, &self->scan);
		self->transaction = transaction_begin_refused(
		    self->services, &self->peer, &refusal, self->head_started);
		buffer_fini(&self->in);
	}
	self->scan = (struct http_scan){0};
	if (transaction_body_wanted(self->transaction) == 0) {
		start_answer(self);
		return;
	}
	self->body_started = loop_now(self);
	self->body_bytes = 0;
	connection_set_state(self, CONN_READ_BODY);
}

static bool
step_read_head(struct connection *self)
{
	if (!fill_input(self, HTTP_HEAD_MAX + 1))
		return false;
	if (buffer_size(&self->in) == 0) {
		if (self->input_over || self->services->draining)
			say_goodbye(self, self->input_over ? CLOSE_PEER_DONE : CLOSE_DRAINED);
		return self->state == CONN_CLOSING;
	}
	if (self->state == CONN_IDLE) {
		self->head_started = loop_now(self);
		connection_set_state(self, CONN_READ_HEAD);
	}
	enum http_scan_result result =
	    http_scan_head(&self->scan, buffer_bytes(&self->in), buffer_size(&self->in));
	if (result == HTTP_SCAN_INCOMPLETE && buffer_size(&self->in) > HTTP_HEAD_MAX)
		result = HTTP_SCAN_FIELDS_TOO_LARGE;
	if (result == HTTP_SCAN_INCOMPLETE) {
		if (self->input_over)
			say_goodbye(self, CLOSE_PEER_DONE);
		return self->input_over;
	}
	begin_transaction(self, result);
	return true;
}

/* True when an upload comes in below min_rate, averaged over the window. */
static bool
body_is_too_slow(struct connection *self)
{
	double waited = loop_now(self) - self->body_started;
	double rate = (double)self->services->config->timeouts.min_rate;

	if (waited < rate_window)
		return false;
	if ((double)self->body_bytes < rate * waited)
		return true;
	self->body_started = loop_now(self);
	self->body_bytes = 0;
	return false;
}

static void
body_timed_out(struct connection *self)
{
	transaction_body_timed_out(self->transaction);
	start_answer(self);
}

static bool
step_read_body(struct connection *self)
{
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
	size_t wanted = transaction_body_wanted(self->transaction);

	if (buffer_size(&self->in) == 0 && transaction_take_continue(self->transaction))
		(void)tls_stream_write(self->tls, interim, sizeof interim - 1);
	if (tls_stream_flush(self->tls) == TLS_RESET) {
		close_now(self, CLOSE_PEER_RESET);
		return false;
	}
	if (!fill_input(self, 1))
		return false;
	size_t n = buffer_size(&self->in) < wanted ? buffer_size(&self->in) : wanted;
	if (n == 0) {
		if (self->input_over)
			close_now(self, CLOSE_PEER_TRUNCATED);
		return false;
	}
	restart_timer(self, state_timeout(self));
	self->body_bytes += n;
	if (body_is_too_slow(self)) {
		body_timed_out(self);
		return true;
	}
	transaction_push_body(self->transaction, buffer_bytes(&self->in), n);
	buffer_consume(&self->in, n);
	if (transaction_body_wanted(self->transaction) == 0)
		start_answer(self);
	return true;
}

/* ---- the answer ---- */

/* The store is left alone while anything holds the answer up. */
static void
update_flow(struct connection *self)
{
	if (self->transaction != NULL)
		transaction_set_paused(
		    self->transaction, self->blocked_since != 0 || self->throttled);
}

/* The client takes no more for now: stop the store, and start the client's clock. */
static void
set_blocked(struct connection *self)
{
	if (self->blocked_since != 0)
		return;
	self->blocked_since = self->progress_at = loop_now(self);
	self->last_queued = tls_stream_queued(self->tls);
	update_flow(self);
	double send = self->services->config->timeouts.send;
	restart_timer(self, send < slow_check_seconds ? send : slow_check_seconds);
}

static void
set_unblocked(struct connection *self)
{
	self->wait_writable = false;
	if (self->blocked_since == 0)
		return;
	self->slow_time += loop_now(self) - self->blocked_since;
	self->blocked_since = 0;
	restart_timer(self, 0);
	update_flow(self);
}

/* True when the client takes less than min_rate, averaged over the window while it is what
 * everybody waits for. What the kernel still holds has not been taken. */
static bool
is_too_slow(struct connection *self, size_t queued)
{
	double waited = self->slow_time + loop_now(self) - self->blocked_since;
	double taken = (double)self->slow_bytes + (double)self->window_queued - (double)queued;
	double rate = (double)self->services->config->timeouts.min_rate;

	if (waited < rate_window)
		return false;
	if (taken < rate * waited)
		return true;
	self->slow_time = -(loop_now(self) - self->blocked_since);
	self->slow_bytes = 0;
	self->window_queued = queued;
	return false;
}

/* Sends what is encrypted. False: the client is slow, or gone. */
static bool
flush(struct connection *self)
{
	enum tls_status status = tls_stream_flush(self->tls);

	if (status == TLS_OK)
		return true;
	if (status == TLS_WANT_WRITE)
		set_blocked(self);
	else
		close_now(self, CLOSE_PEER_RESET);
	return false;
}

static void
on_throttle_over(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct connection *self = timer->data;

	(void)loop, (void)events;
	enter(self);
	self->throttled = false;
	update_flow(self);
	run(self);
	leave(self);
}

/* Lets other connections have their turn, then goes on. The store may have nothing left to
 * wake us with, so a timer does. */
static void
take_turns(struct connection *self)
{
	self->throttled = true;
	ev_timer_set(&self->throttle, 0., 0.);
	ev_timer_start(self->services->loop, &self->throttle);
}

/* How much of an answer may be sent now: what the socket takes, within the customer's rate. 0 when
 * something must be waited for; the waiting is arranged. */
static size_t
allowance(struct connection *self)
{
	size_t room = tls_stream_room(self->tls);
	double delay = 0;

	if (room < TLS_PIECE_MIN && !self->may_write) {
		self->wait_writable = true;
		set_blocked(self);
		return 0;
	}
	self->may_write = false;
	if (room < TLS_PIECE_MIN)
		room = TLS_PIECE_MIN;
	if (room > TLS_PIECE_MAX)
		room = TLS_PIECE_MAX;
	if (self->caller.rate == 0)
		return room;
	room = quota_bytes_allowed(
	    self->services->quota, self->customer_key, self->caller.rate, room, &delay);
	if (room > 0)
		return room;
	self->throttled = true;
	update_flow(self);
	ev_timer_set(&self->throttle, delay, 0.);
	ev_timer_start(self->services->loop, &self->throttle);
	return 0;
}

/* Sends one piece of the answer. False: wait, or the answer is complete, or it is all over. */
static bool
send_piece(struct connection *self)
{
	size_t got, n = allowance(self);

	if (n == 0)
		return false;
	enum transaction_status status =
	    transaction_pull(self->transaction, self->services->piece, n, &got);
	if (got > 0) {
		self->slow_bytes += got;
		if (self->caller.rate != 0)
			quota_bytes_charge(
			    self->services->quota, self->customer_key, self->caller.rate, got);
		if (!tls_stream_write(self->tls, self->services->piece, got)) {
			close_now(self, CLOSE_TLS_FAULT);
			return false;
		}
	}
	switch (status) {
	case TRANSACTION_OK:
		return flush(self);
	case TRANSACTION_WAIT:
		self->may_write = true;
		return false;
	case TRANSACTION_END:
		self->complete = true;
		return false;
	case TRANSACTION_CUT:
		break;
	}
	close_now(self, CLOSE_STORE_TRUNCATED);
	return false;
}

/* The answer has left. True: there may be another request. */
static bool
finish_answer(struct connection *self)
{
	bool closes = transaction_closes(self->transaction);
	enum close_reason reason = CLOSE_PEER_ASKED;

	if (self->services->draining)
		reason = CLOSE_DRAINED;
	else if (transaction_is_refused(self->transaction))
		reason = CLOSE_REFUSED_REQUEST;
	set_unblocked(self);
	end_transaction(self, closes ? close_reason_text(reason) : NULL, NULL);
	self->complete = false;
	self->answers++;
	if (closes)
		say_goodbye(self, reason);
	else
		connection_set_state(self, CONN_IDLE);
	return true;
}

static bool
step_answer(struct connection *self)
{
	if (!fill_input(self, READ_AHEAD_MAX)) /* notices a client that goes away */
		return false;
	if (!flush(self) || self->throttled || self->wait_writable)
		return false;
	if (self->blocked_since != 0)
		set_unblocked(self);
	int pieces = 0;
	while (pieces < PIECES_PER_TURN && !self->complete && send_piece(self))
		pieces++;
	if (pieces == PIECES_PER_TURN) {
		take_turns(self);
		return false;
	}
	if (self->state != CONN_ANSWER || !self->complete || !flush(self))
		return false;
	return finish_answer(self);
}

/* ---- events ---- */

static bool
step(struct connection *self)
{
	switch (self->state) {
	case CONN_PROXY_HEADER:
		return step_proxy_header(self);
	case CONN_HANDSHAKE:
		return step_handshake(self);
	case CONN_IDLE:
	case CONN_READ_HEAD:
		return step_read_head(self);
	case CONN_READ_BODY:
		return step_read_body(self);
	case CONN_ANSWER:
		return step_answer(self);
	case CONN_CLOSING:
		return step_closing(self);
	case CONN_LINGER:
	case CONN_CLOSED:
		break;
	}
	return false;
}

/* Moves the connection forward as far as it goes. */
static void
run(struct connection *self)
{
	if (self->running)
		return;
	self->running = true;
	self->answers = 0;
	while (step(self) && self->answers < ANSWERS_PER_TURN)
		;
	self->running = false;
	if (self->answers == ANSWERS_PER_TURN && self->state != CONN_CLOSED)
		take_turns(self);
	if (self->state != CONN_CLOSED && self->tls != NULL &&
	    tls_stream_flush(self->tls) == TLS_RESET)
		close_now(self, CLOSE_PEER_RESET);
}

static void
on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct connection *self = io->data;

	(void)loop, (void)events;
	enter(self);
	if (self->state == CONN_LINGER) {
		linger(self);
	} else if (self->tls == NULL) {
		run(self);
	} else {
		switch (tls_stream_receive(self->tls)) {
		case TLS_OK:
			self->received = true;
			run(self);
			break;
		case TLS_WANT_READ:
			break;
		case TLS_EOF:
			close_now(self, CLOSE_PEER_TRUNCATED);
			break;
		default:
			close_now(self, CLOSE_PEER_RESET);
			break;
		}
	}
	leave(self);
}

static void
on_writable(struct ev_loop *loop, ev_io *io, int events)
{
	struct connection *self = io->data;

	(void)loop, (void)events;
	enter(self);
	self->may_write = true;
	if (self->tls != NULL && tls_stream_flush(self->tls) == TLS_RESET) {
		close_now(self, CLOSE_PEER_RESET);
	} else {
		self->progress_at = loop_now(self);
		if (!tls_stream_has_pending(self->tls))
			set_unblocked(self);
		run(self);
	}
	leave(self);
}

/* The client has not taken anything, or not enough, for a while. */
static void
check_slow_client(struct connection *self)
{
	if (self->blocked_since == 0)
		return;
	size_t queued = tls_stream_queued(self->tls);
	if (queued < self->last_queued)
		self->progress_at = loop_now(self);
	self->last_queued = queued;
	if (loop_now(self) - self->progress_at >= self->services->config->timeouts.send)
		close_now(self, CLOSE_SEND_TIMEOUT);
	else if (is_too_slow(self, queued))
		close_now(self, CLOSE_TOO_SLOW);
}

static void
request_timed_out(struct connection *self)
{
	struct refusal refusal = {
	    PROBLEM_REQUEST_TIMEOUT, "The request's head did not come in time", true};

	self->transaction =
	    transaction_begin_refused(self->services, &self->peer, &refusal, self->head_started);
	buffer_fini(&self->in);
	self->scan = (struct http_scan){0};
	start_answer(self);
	run(self);
}

static void
on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct connection *self = timer->data;

	(void)loop, (void)events;
	enter(self);
	switch (self->state) {
	case CONN_PROXY_HEADER:
	case CONN_HANDSHAKE:
		close_now(self, CLOSE_HANDSHAKE_TIMEOUT);
		break;
	case CONN_IDLE:
		say_goodbye(self, CLOSE_IDLE_TIMEOUT);
		run(self);
		break;
	case CONN_READ_HEAD:
		request_timed_out(self);
		break;
	case CONN_READ_BODY:
		body_timed_out(self);
		run(self);
		break;
	case CONN_ANSWER:
		check_slow_client(self);
		break;
	case CONN_CLOSING:
		close_now(self, CLOSE_SEND_TIMEOUT);
		break;
	case CONN_LINGER:
		close_now(self, self->closing_because);
		break;
	case CONN_CLOSED:
		break;
	}
	leave(self);
}

/* ---- what the worker asks for ---- */

static void
set_socket_options(int fd)
{
	int one = 1, lowat = NOTSENT_LOWAT;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
}

void
connection_start(const struct connection_options *options)
{
	struct connection *self = buffer_alloc(sizeof *self);
	const struct config_listen *listen = options->listen;

	self->services = options->services;
	self->ended = options->ended;
	self->arg = options->arg;
	self->listen = listen;
	self->fd = options->fd;
	self->state = CONN_PROXY_HEADER;
	ev_io_init(&self->reader, on_readable, self->fd, EV_READ);
	ev_io_init(&self->writer, on_writable, self->fd, EV_WRITE);
	ev_init(&self->timer, on_timeout);
	ev_init(&self->throttle, on_throttle_over);
	self->reader.data = self->writer.data = self->timer.data = self->throttle.data = self;
	set_socket_options(self->fd);
	set_address(self, options->address);
	options->started(options->arg, self);
	enter(self);
	restart_timer(self, state_timeout(self));
	if (listen->proxy_from_count == 0)
		(void)admit(self);
	else if (!config_network_contains(listen->proxy_from, listen->proxy_from_count,
	             (const struct sockaddr *)&self->address))
		close_now(self, CLOSE_PROXY_REFUSED);
	leave(self);
}

void
connection_close(struct connection *self, enum close_reason reason)
{
	enter(self);
	close_now(self, reason);
	leave(self);
}

void
connection_drain(struct connection *self)
{
	enter(self);
	if (self->state == CONN_IDLE) {
		say_goodbye(self, CLOSE_DRAINED);
		run(self);
	}
	leave(self);
}

/* The caller as the policy in force knows it; false when it is no longer the same one, or may not
 * go on with what it is doing. */
static bool
still_allowed(struct connection *self)
{
	struct policy_caller caller =
	    policy_find_caller(self->services->policy, tls_stream_identity(self->tls)->subject);
	bool same =
	    caller.role == self->caller.role && strcmp(caller.customer, self->caller.customer) == 0;

	self->caller = caller;
	return same && caller.role != POLICY_ROLE_NONE &&
	       (self->transaction == NULL ||
	           transaction_redecide(self->transaction, &caller) == PROBLEM_NONE);
}

bool
connection_reauthorise(struct connection *self)
{
	bool cut = true;

	if (self->state <= CONN_HANDSHAKE || self->state >= CONN_CLOSING)
		return false;
	enter(self);
	if (tls_stream_verify_again(self->tls, self->services->tls) != NULL)
		close_now(self, CLOSE_REVOKED);
	else if (!still_allowed(self))
		close_now(self, CLOSE_WITHDRAWN);
	else
		cut = false;
	if (cut)
		services_count(self->services, METRIC_REAUTHORISED_CUT, 1);
	leave(self);
	return cut;
}
