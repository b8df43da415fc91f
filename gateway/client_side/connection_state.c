/*
 * What a connection waits for, and how it ends: its state with the one timer, its watchers, the
 * quota it gives back and the lines it leaves in the logs. The hard part is the end. It can come in
 * the middle of any step, so it happens in two halves: connection_close_now() closes at once and
 * marks the connection as closed, and connection_leave() frees it when the outermost event is over.
 */
#include "connection_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "gateway/node/log.h"
#include "handshake_failures.h"
#include "room_places.h"

enum {
	RATE_WINDOW = 30,               /* seconds over which min_rate is averaged */
	LINGER_BYTES_MAX = 1024 * 1024, /* then the client is cut off */
};

/* ---- state, timer, watchers ---- */

static double
state_timeout(const struct connection *self)
{
	const struct config_timeouts *timeouts = &self->services->config->timeouts;

#define STATE_SECONDS(name, seconds, doing, next) seconds,
	const double seconds[] = {STATE_TABLE(STATE_SECONDS)};
	assert(self->state < sizeof seconds / sizeof *seconds);
	return seconds[self->state];
}

static const char *
state_doing(const struct connection *self)
{
#define STATE_DOING(name, seconds, doing, next) doing,
	static const char *const doing[] = {STATE_TABLE(STATE_DOING)};
	assert(self->state < sizeof doing / sizeof *doing);
	return doing[self->state];
}

void
connection_state_set_timer(struct connection *self, double seconds)
{
	assert(seconds >= 0 && self->state != CONN_CLOSED);
	self->timer.repeat = seconds;
	ev_timer_again(self->services->loop, &self->timer); /* with 0 it stops */
}

void
connection_state_restart_timer(struct connection *self)
{
	connection_state_set_timer(self, state_timeout(self));
}

void
connection_set_state(struct connection *self, enum state state)
{
	bool same_timeout = self->state == CONN_PROXY_HEADER && state == CONN_HANDSHAKE;

	assert(self->entered > 0);
	assert(connection_transitions_allow(self->state, state));
	assert(self->state != CONN_ANSWER || !connection_transitions_run_clock(self->out));
	self->state = state;
	room_places_update(self);
	if (!same_timeout)
		connection_state_restart_timer(self);
}

/* Nothing is read while output waits: who makes us write must take it. */
bool
connection_state_wants_to_read(const struct connection *self)
{
	if (self->tls != NULL &&
	    (tls_stream_has_pending(self->tls) || tls_stream_is_held_up(self->tls)))
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
		return !self->input_over && !self->paused;
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

	assert(self->state != CONN_CLOSED && self->fd >= 0);
	set_watcher(self, &self->reader, connection_state_wants_to_read(self));
	/* Who is blocked waits for on_writable(), though a later flush may have sent the rest. */
	set_watcher(self, &self->writer, pending || connection_transitions_run_clock(self->out));
}

enum pace_verdict
connection_state_judge_pace(struct connection *self, double pause, size_t under_way)
{
	const struct pace_limits limits = {.rate = self->services->config->timeouts.min_rate,
	    .window = RATE_WINDOW,
	    .pause = pause};

	return pace_judge(&self->pace, &limits, clock_seconds(), under_way);
}

/* ---- what the logs say of its end ---- */

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
	log("%s while %s, client %s%s%s", close_reason_text(reason), state_doing(self),
	    self->address_text, defect[0] != '\0' ? ": " : "", defect);
}

/* It ends before anybody knows who it is: there is no transaction to log it, and strangers can do
 * so any number of times. */
static void
log_failed_handshake(struct connection *self, enum close_reason reason)
{
	struct access_record record = {
	    .generation = self->services->generation,
	    .client = self->address_text,
	    .operation = "handshake",
	    .reason = close_reason_text(reason),
	    .started = ev_now(self->services->loop),
	    .close = close_reason_text(reason),
	};

	if (self->tls != NULL) {
		const struct identity *identity = tls_stream_identity(self->tls);
		const char *defect = tls_stream_defect(self->tls);
		record.tls = tls_stream_version(self->tls);
		record.cipher = tls_stream_cipher(self->tls);
		record.group = tls_stream_group(self->tls);
		record.subject = identity->subject[0] != '\0' ? identity->subject : NULL;
		record.serial = identity->serial[0] != '\0' ? identity->serial : NULL;
		if (defect[0] != '\0')
			record.reason = defect;
		services_count(self->services, METRIC_HANDSHAKES_REFUSED, 1);
	}
	connection_count_refusal(self, record.reason);
	handshake_failures_add(self->services->failures, self->address_key, &record);
}

/* ---- what it gives back ---- */

static void
return_quota(struct connection *self)
{
	struct services *services = self->services;

	assert(self->address_counted || (!self->customer_counted && !self->is_admitted));
	if (self->address_counted)
		quota_connection_close(services->quota, services->worker, self->address_key);
	if (self->customer_counted)
		quota_connection_close(services->quota, services->worker, self->caller_key);
	self->address_counted = self->customer_counted = false;
	if (!self->is_admitted)
		metrics_subtract(
		    services->metrics, services->worker, METRIC_CONNECTIONS_NOT_ADMITTED, 1);
}

void
connection_end_transaction(struct connection *self, const char *close, const char *reason)
{
	struct transaction *transaction = self->transaction;

	assert(transaction != NULL);
	self->transaction = NULL;
	transaction_end(transaction, close, reason);
}

/* ---- the end ---- */

/* What the log says of a transfer that is cut, when it is not what the transaction says. */
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
	case CLOSE_STORE_WRONG:
		return NULL; /* the transaction knows better */
	default:
		return close_reason_text(reason);
	}
}

void
connection_close_now(struct connection *self, enum close_reason reason)
{
	if (self->state == CONN_CLOSED)
		return;
	assert(self->entered > 0 && self->fd >= 0);
	if (!self->received && (reason == CLOSE_PEER_TRUNCATED || reason == CLOSE_PEER_RESET))
		reason = CLOSE_PROBED;
	if (connection_count_is_check(self, reason))
		reason = CLOSE_HANDSHAKE_ONLY;
	connection_count_close(self, reason);
	if (reason == CLOSE_PROBED)
		services_count(self->services, METRIC_CONNECTIONS_PROBED, 1);
	else if (self->state <= CONN_HANDSHAKE)
		log_failed_handshake(self, reason);
	else if (reason != CLOSE_HANDSHAKE_REFUSED && reason != CLOSE_HANDSHAKE_ONLY)
		/* The one was logged when it was refused, the other is a load balancer's check. */
		log_close(self, reason);
	if (self->transaction != NULL) {
		services_count(self->services, METRIC_TRANSFERS_CUT, 1);
		connection_end_transaction(self, close_reason_text(reason), cut_reason(reason));
	}
	return_quota(self);
	assert(self->transaction == NULL);
	self->state = CONN_CLOSED;
	room_places_update(self);
	ev_io_stop(self->services->loop, &self->reader);
	ev_io_stop(self->services->loop, &self->writer);
	ev_timer_stop(self->services->loop, &self->timer);
	ev_timer_stop(self->services->loop, &self->throttle);
	close(self->fd);
	self->fd = -1;
}

void
connection_enter(struct connection *self)
{
	self->entered++;
	if (self->transaction != NULL)
		transaction_mark(self->transaction);
}

void
connection_leave(struct connection *self)
{
	assert(self->entered > 0);
	if (--self->entered > 0)
		return;
	if (self->state != CONN_CLOSED) {
		if (self->tls != NULL)
			tls_stream_settle(self->tls);
		connection_update_watchers(self);
		return;
	}
	assert(self->fd < 0 && self->place == 0 && self->transaction == NULL && !self->running);
	self->ended(self->arg, self);
	turns_leave(self->services->turns, &self->turn);
	tls_stream_free(self->tls);
	self->tls = NULL;
	buffer_fini(&self->in);
	free(self);
}

void
connection_say_goodbye(struct connection *self, enum close_reason reason)
{
	assert(self->tls != NULL && self->transaction == NULL);
	self->closing_because = reason;
	connection_set_state(self, CONN_CLOSING);
	tls_stream_shutdown(self->tls);
}

/* There is no time for a client to read what was sent; between two requests nothing was. */
void
connection_crowd_out(struct connection *self)
{
	bool leaving = self->state > CONN_ANSWER;

	assert(self->state != CONN_CLOSED && self->place != 0);
	connection_enter(self);
	if (self->state == CONN_IDLE) {
		assert(self->tls != NULL);
		tls_stream_shutdown(self->tls);
		(void)tls_stream_flush(self->tls);
	}
	if (!leaving)
		services_count(self->services, METRIC_CONNECTIONS_CROWDED_OUT, 1);
	connection_close_now(self, leaving ? self->closing_because : CLOSE_CROWDED_OUT);
	connection_leave(self);
}

void
connection_state_refuse_handshake(struct connection *self)
{
	assert(self->state == CONN_HANDSHAKE);
	log_failed_handshake(self, CLOSE_HANDSHAKE_REFUSED);
	connection_say_goodbye(self, CLOSE_HANDSHAKE_REFUSED);
}

bool
connection_state_step_closing(struct connection *self)
{
	assert(self->state == CONN_CLOSING && self->tls != NULL);
	switch (tls_stream_flush(self->tls)) {
	case TLS_OK:
		break;
	case TLS_WANT_WRITE:
		return false;
	default:
		connection_close_now(self, CLOSE_PEER_RESET);
		return false;
	}
	if (self->input_over || shutdown(self->fd, SHUT_WR) != 0) {
		connection_close_now(self, self->closing_because);
		return false;
	}
	buffer_fini(&self->in);
	connection_set_state(self, CONN_LINGER);
	return false;
}

void
connection_state_linger(struct connection *self)
{
	assert(self->state == CONN_LINGER);
	char scrap[4096];
	ssize_t n = recv(self->fd, scrap, sizeof scrap, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	self->lingered += n > 0 ? (size_t)n : 0;
	if (n <= 0 || self->lingered > LINGER_BYTES_MAX)
		connection_close_now(self, self->closing_because);
}
