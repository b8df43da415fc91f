/*
 * What goes out: the answer, piece by piece, no faster than the client takes it and the customer's
 * rate allows. The hard part is to know whom everybody waits for. While the client takes no more
 * (`blocked_since`) or the rate is used up (`throttled`), the store is left alone; only the first
 * is the client's fault, so only then its clock runs: min_rate and timeouts.send judge that time
 * alone.
 */
#include "connection_private.h"

enum { PIECES_PER_TURN = 4 }; /* then other connections have their turn */

static const double slow_check_seconds = 1; /* how often a slow client is looked at */

void
connection_answer_start(struct connection *self)
{
	self->may_write = true;
	self->complete = false;
	self->slow_time = 0;
	self->slow_bytes = 0;
	self->window_queued = 0;
	connection_set_state(self, CONN_ANSWER);
}

/* ---- the pace ---- */

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
	self->blocked_since = self->progress_at = connection_now(self);
	self->last_queued = tls_stream_queued(self->tls);
	update_flow(self);
	double send = self->services->config->timeouts.send;
	connection_state_set_timer(self, send < slow_check_seconds ? send : slow_check_seconds);
}

static void
set_unblocked(struct connection *self)
{
	self->wait_writable = false;
	if (self->blocked_since == 0)
		return;
	self->slow_time += connection_now(self) - self->blocked_since;
	self->blocked_since = 0;
	connection_state_set_timer(self, 0);
	update_flow(self);
}

/* True when the client takes less than min_rate, averaged over the window while it is what
 * everybody waits for. What the kernel still holds has not been taken. */
static bool
is_too_slow(struct connection *self, size_t queued)
{
	double waited = self->slow_time + connection_now(self) - self->blocked_since;
	double taken = (double)self->slow_bytes + (double)self->window_queued - (double)queued;
	double rate = (double)self->services->config->timeouts.min_rate;

	if (waited < RATE_WINDOW)
		return false;
	if (taken < rate * waited)
		return true;
	self->slow_time = -(connection_now(self) - self->blocked_since);
	self->slow_bytes = 0;
	self->window_queued = queued;
	return false;
}

void
connection_answer_progress(struct connection *self)
{
	self->may_write = true;
	self->progress_at = connection_now(self);
	if (!tls_stream_has_pending(self->tls))
		set_unblocked(self);
}

void
connection_answer_check_slow_client(struct connection *self)
{
	if (self->blocked_since == 0)
		return;
	size_t queued = tls_stream_queued(self->tls);
	if (queued < self->last_queued)
		self->progress_at = connection_now(self);
	self->last_queued = queued;
	if (connection_now(self) - self->progress_at >= self->services->config->timeouts.send)
		connection_close_now(self, CLOSE_SEND_TIMEOUT);
	else if (is_too_slow(self, queued))
		connection_close_now(self, CLOSE_TOO_SLOW);
}

/* Nothing is pulled for SECONDS. */
static void
throttle(struct connection *self, double seconds)
{
	self->throttled = true;
	ev_timer_set(&self->throttle, seconds, 0.);
	ev_timer_start(self->services->loop, &self->throttle);
}

void
connection_answer_take_turns(struct connection *self)
{
	throttle(self, 0);
}

void
connection_answer_unthrottle(struct connection *self)
{
	self->throttled = false;
	update_flow(self);
}

/* ---- the pieces ---- */

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
		connection_close_now(self, CLOSE_PEER_RESET);
	return false;
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
	throttle(self, delay);
	update_flow(self);
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
			connection_close_now(self, CLOSE_TLS_FAULT);
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
	connection_close_now(self, CLOSE_STORE_TRUNCATED);
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
	connection_end_transaction(self, closes ? close_reason_text(reason) : NULL, NULL);
	self->complete = false;
	self->answers++;
	if (closes)
		connection_say_goodbye(self, reason);
	else
		connection_set_state(self, CONN_IDLE);
	return true;
}

bool
connection_answer_step(struct connection *self)
{
	/* Reads on, to notice a client that goes away. */
	if (!connection_request_fill_input(self, READ_AHEAD_MAX))
		return false;
	if (!flush(self) || self->throttled || self->wait_writable)
		return false;
	if (self->blocked_since != 0)
		set_unblocked(self);
	int pieces = 0;
	while (pieces < PIECES_PER_TURN && !self->complete && send_piece(self))
		pieces++;
	if (pieces == PIECES_PER_TURN) {
		connection_answer_take_turns(self);
		return false;
	}
	if (self->state != CONN_ANSWER || !self->complete || !flush(self))
		return false;
	return finish_answer(self);
}
