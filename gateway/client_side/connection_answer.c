/*
 * What goes out: the answer, piece by piece, no faster than the client takes it and the customer's
 * rate allows. The hard part is to know whom everybody waits for: that is one state, `out`, whose
 * table says when the store is left alone, and when the client's clock runs. Only while the client
 * takes no more is the wait its fault; min_rate and timeouts.send judge that time alone (pace.h).
 */
#include "connection_private.h"

#include <assert.h>

#include "base/clock.h"

enum { PIECES_PER_TURN = 4 }; /* then other connections have their turn */

static const double slow_check_seconds = 1; /* how often a slow client is looked at */

/* ---- whom everybody waits for ---- */

static void
start_clock(struct connection *self)
{
	double send = self->services->config->timeouts.send;

	pace_wait(&self->pace, clock_seconds(), tls_stream_queued(self->tls));
	connection_state_set_timer(self, send < slow_check_seconds ? send : slow_check_seconds);
}

static void
stop_clock(struct connection *self)
{
	pace_rest(&self->pace, clock_seconds());
	connection_state_set_timer(self, 0);
}

static void
set_outgoing(struct connection *self, enum outgoing out)
{
	bool clock = connection_transitions_run_clock(out);
	bool held = connection_transitions_hold_store(out);
	bool ran = connection_transitions_run_clock(self->out);
	bool was_held = connection_transitions_hold_store(self->out);

	assert(!clock || self->state == CONN_ANSWER);
	self->out = out;
	if (clock && !ran)
		start_clock(self);
	else if (!clock && ran)
		stop_clock(self);
	if (held != was_held && self->transaction != NULL)
		transaction_set_paused(self->transaction, held);
}

static bool
waits_for_timer(struct connection *self)
{
	return ev_is_active(&self->throttle);
}

/* The client has taken what waited for it. */
static void
set_unblocked(struct connection *self, enum outgoing out)
{
	if (self->out == OUT_LAST)
		out = OUT_COMPLETE;
	else if (waits_for_timer(self))
		out = OUT_RATE;
	set_outgoing(self, out);
}

void
connection_answer_start(struct connection *self)
{
	assert(self->transaction != NULL);
	self->pace = (struct pace){0};
	self->granted = 0;
	connection_set_state(self, CONN_ANSWER);
	set_outgoing(self, waits_for_timer(self) ? OUT_TURN : OUT_READY);
}

void
connection_answer_progress(struct connection *self)
{
	pace_progress(&self->pace, clock_seconds());
	if (tls_stream_has_pending(self->tls))
		return;
	if (self->out == OUT_OPEN || connection_transitions_run_clock(self->out))
		set_unblocked(self, OUT_READY);
}

void
connection_answer_check_slow_client(struct connection *self)
{
	if (!self->pace.waiting)
		return;
	double send = self->services->config->timeouts.send;
	switch (connection_state_judge_pace(self, send, tls_stream_queued(self->tls))) {
	case PACE_GOOD:
		break;
	case PACE_STALLED:
		connection_close_now(self, CLOSE_SEND_TIMEOUT);
		break;
	case PACE_TOO_SLOW:
		connection_close_now(self, CLOSE_TOO_SLOW);
		break;
	}
}

/* Nothing is pulled for SECONDS. */
static void
throttle(struct connection *self, enum outgoing out, double seconds)
{
	assert(!waits_for_timer(self));
	set_outgoing(self, out);
	ev_timer_set(&self->throttle, seconds, 0.);
	ev_timer_start(self->services->loop, &self->throttle);
}

void
connection_answer_take_turns(struct connection *self)
{
	if (!self->paused)
		throttle(self, OUT_TURN, 0);
}

/* Reads no further request for SECONDS. */
static void
pause_requests(struct connection *self, double seconds)
{
	self->paused = true;
	throttle(self, OUT_TURN, seconds);
}

void
connection_answer_unthrottle(struct connection *self)
{
	self->paused = false;
	if (self->out == OUT_TURN || self->out == OUT_RATE)
		set_outgoing(self, OUT_OPEN);
}

/* ---- the pieces ---- */

/* Sends what is encrypted. False: the client is slow, or gone. */
static bool
flush(struct connection *self)
{
	enum tls_status status = tls_stream_flush(self->tls);

	if (status == TLS_OK)
		return true;
	if (status != TLS_WANT_WRITE)
		connection_close_now(self, CLOSE_PEER_RESET);
	else if (!connection_transitions_run_clock(self->out))
		set_outgoing(self, self->out == OUT_COMPLETE ? OUT_LAST : OUT_BLOCKED);
	return false;
}

/* How many of the ROOM bytes that may be sent now the customer's rate allows, of LEFT to come. */
static size_t
within_rate(struct connection *self, size_t room, unsigned long long left)
{
	double delay = 0;

	if (self->granted == 0) {
		self->granted = quota_bytes_take(self->services->quota, self->caller_key,
		    self->caller.rate, left < SIZE_MAX ? (size_t)left : SIZE_MAX, &delay);
		if (delay > 0) {
			throttle(self, OUT_RATE, delay);
			return 0;
		}
	}
	return room < self->granted ? room : self->granted;
}

/* How much of the LEFT bytes of an answer may be sent now: what the socket takes, within the
 * customer's rate. 0 when something must be waited for; the waiting is arranged. */
static size_t
allowance(struct connection *self, unsigned long long left)
{
	size_t wanted = left < TLS_PIECE_MAX ? (size_t)left : TLS_PIECE_MAX;
	size_t room = tls_stream_room(self->tls, wanted);

	if (room < wanted && room < TLS_PIECE_MIN && self->out != OUT_READY) {
		set_outgoing(self, OUT_FULL);
		return 0;
	}
	set_outgoing(self, OUT_OPEN);
	if (room < TLS_PIECE_MIN)
		room = TLS_PIECE_MIN;
	if (room > TLS_PIECE_MAX)
		room = TLS_PIECE_MAX;
	return self->caller.rate == 0 ? room : within_rate(self, room, left);
}

static enum close_reason
cut_reason(const struct transaction *transaction)
{
	switch (transaction_cut_cause(transaction)) {
	case TRANSACTION_CUT_SHORT:
		break;
	case TRANSACTION_CUT_STALLED:
		return CLOSE_STORE_STALLED;
	case TRANSACTION_CUT_WRONG:
		return CLOSE_STORE_WRONG;
	}
	return CLOSE_STORE_TRUNCATED;
}

/* Sends one piece of the answer. False: wait, or the answer is complete, or it is all over. */
static bool
send_piece(struct connection *self)
{
	size_t got, n = TLS_PIECE_MIN;
	unsigned long long left = transaction_left(self->transaction);

	/* Without a byte it waits for the store, or is at its end: never mind the socket. */
	if (left > 0 && (n = allowance(self, left)) == 0)
		return false;
	enum transaction_status status =
	    transaction_pull(self->transaction, self->services->piece, n, &got);
	if (got > 0) {
		pace_move(&self->pace, got);
		self->granted -= got < self->granted ? got : self->granted;
		if (!tls_stream_write(self->tls, self->services->piece, got)) {
			connection_close_now(self, CLOSE_TLS_FAULT);
			return false;
		}
	}
	switch (status) {
	case TRANSACTION_OK:
		return flush(self);
	case TRANSACTION_WAIT:
		set_outgoing(self, OUT_READY);
		return false;
	case TRANSACTION_END:
		set_outgoing(self, OUT_COMPLETE);
		return false;
	case TRANSACTION_CUT:
		break;
	}
	connection_close_now(self, cut_reason(self->transaction));
	return false;
}

/* The answer has left. True: there may be another request. */
static bool
finish_answer(struct connection *self)
{
	bool closes = transaction_closes(self->transaction);
	enum close_reason reason = CLOSE_PEER_ASKED;

	if (services_is_leaving(self->services))
		reason = CLOSE_DRAINED;
	else if (self->one_too_many)
		reason = CLOSE_CUSTOMER_LIMIT;
	else if (transaction_is_refused(self->transaction))
		reason = self->refused_because;
	double pause = connection_limits_answered(self);
	connection_end_transaction(self, closes ? close_reason_text(reason) : NULL, NULL);
	set_outgoing(self, OUT_OPEN);
	self->answers++;
	if (pause > 0)
		pause_requests(self, pause);
	if (closes)
		connection_say_goodbye(self, reason);
	else
		connection_set_state(self, CONN_IDLE);
	return true;
}

static bool
may_pull(const struct connection *self)
{
	return self->out == OUT_READY || self->out == OUT_OPEN;
}

bool
connection_answer_step(struct connection *self)
{
	if (!flush(self))
		return false;
	if (self->out == OUT_BLOCKED || self->out == OUT_LAST)
		set_unblocked(self, OUT_OPEN);
	int pieces = 0;
	while (pieces < PIECES_PER_TURN && may_pull(self) && send_piece(self))
		pieces++;
	if (pieces == PIECES_PER_TURN) {
		connection_answer_take_turns(self);
		return false;
	}
	if (self->state != CONN_ANSWER || self->out != OUT_COMPLETE || !flush(self))
		return false;
	return finish_answer(self);
}
