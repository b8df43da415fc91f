/*
 * One client connection. Read run() for its life: PROXY header, handshake, then head, body,
 * answer, head, ... until it closes. What the steps do is in connection_request.c and
 * connection_answer.c; what they wait for, and the end, in connection_state.c. The hard part is
 * that any step may end the connection: run() and the events guard it, and its memory goes only
 * when the outermost of them is done.
 */
#include "connection_private.h"

#include <assert.h>
#include <netinet/tcp.h>
#include <string.h>

enum {
	ANSWERS_PER_TURN = 4,          /* then other connections have their turn */
	NOTSENT_LOWAT = TLS_PIECE_MAX, /* bytes; see tls_stream_room() */
};

struct connection_links *
connection_links(struct connection *self)
{
	return &self->links;
}

/* ---- its life ---- */

/* One step for each state; true when the next may follow at once. */
static bool
step(struct connection *self)
{
	switch (self->state) {
	case CONN_PROXY_HEADER:
		return connection_request_step_proxy_header(self);
	case CONN_HANDSHAKE:
		return connection_request_step_handshake(self);
	case CONN_IDLE:
	case CONN_READ_HEAD:
		return connection_request_step_head(self);
	case CONN_READ_BODY:
		return connection_request_step_body(self);
	case CONN_ANSWER:
		return connection_answer_step(self);
	case CONN_CLOSING:
		return connection_state_step_closing(self);
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
	connection_reauthorise(self);
	self->running = true;
	self->answers = 0;
	while (step(self) && self->answers < ANSWERS_PER_TURN)
		;
	self->running = false;
	if (self->answers == ANSWERS_PER_TURN && self->state != CONN_CLOSED)
		connection_answer_take_turns(self);
	if (self->state != CONN_CLOSED && self->tls != NULL &&
	    tls_stream_flush(self->tls) == TLS_RESET)
		connection_close_now(self, CLOSE_PEER_RESET);
}

/* ---- events ---- */

static void
on_transaction_wake(void *arg)
{
	struct connection *self = arg;

	connection_enter(self);
	run(self);
	connection_leave(self);
}

static void
on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct connection *self = io->data;

	(void)loop, (void)events;
	connection_enter(self);
	if (self->state == CONN_LINGER) {
		connection_state_linger(self);
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
			connection_close_now(self, CLOSE_PEER_TRUNCATED);
			break;
		default:
			connection_close_now(self, CLOSE_PEER_RESET);
			break;
		}
	}
	connection_leave(self);
}

static void
on_writable(struct ev_loop *loop, ev_io *io, int events)
{
	struct connection *self = io->data;

	(void)loop, (void)events;
	connection_enter(self);
	assert(self->tls != NULL);
	if (tls_stream_flush(self->tls) == TLS_RESET) {
		connection_close_now(self, CLOSE_PEER_RESET);
	} else {
		connection_answer_progress(self);
		run(self);
	}
	connection_leave(self);
}

static void
on_throttle_over(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct connection *self = timer->data;

	(void)loop, (void)events;
	connection_enter(self);
	connection_answer_unthrottle(self);
	run(self);
	connection_leave(self);
}

static void
on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct connection *self = timer->data;

	(void)loop, (void)events;
	connection_enter(self);
	switch (self->state) {
	case CONN_PROXY_HEADER:
	case CONN_HANDSHAKE:
		connection_close_now(self, CLOSE_HANDSHAKE_TIMEOUT);
		break;
	case CONN_IDLE:
		connection_say_goodbye(self, CLOSE_IDLE_TIMEOUT);
		run(self);
		break;
	case CONN_READ_HEAD:
		connection_request_head_timed_out(self);
		run(self);
		break;
	case CONN_READ_BODY:
		connection_request_body_timed_out(self);
		run(self);
		break;
	case CONN_ANSWER:
		connection_answer_check_slow_client(self);
		break;
	case CONN_CLOSING:
		connection_close_now(self, CLOSE_SEND_TIMEOUT);
		break;
	case CONN_LINGER:
		connection_close_now(self, self->closing_because);
		break;
	case CONN_CLOSED:
		break;
	}
	connection_leave(self);
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
	self->generation = self->services->generation;
	self->ended = options->ended;
	self->arg = options->arg;
	self->fd = options->fd;
	self->state = CONN_PROXY_HEADER;
	ev_io_init(&self->reader, on_readable, self->fd, EV_READ);
	ev_io_init(&self->writer, on_writable, self->fd, EV_WRITE);
	ev_init(&self->timer, on_timeout);
	ev_init(&self->throttle, on_throttle_over);
	self->peer = (struct transaction_peer){.address = self->address_text,
	    .caller = &self->caller,
	    .wake = on_transaction_wake,
	    .arg = self};
	self->reader.data = self->writer.data = self->timer.data = self->throttle.data = self;
	set_socket_options(self->fd);
	connection_request_set_address(self, options->address);
	options->started(options->arg, self);
	connection_enter(self);
	connection_state_restart_timer(self);
	if (listen->proxy_from_count == 0)
		(void)connection_request_admit(self);
	else if (!config_network_contains(listen->proxy_from, listen->proxy_from_count,
	             (const struct sockaddr *)&self->address))
		connection_close_now(self, CLOSE_PROXY_REFUSED);
	connection_leave(self);
}

void
connection_close(struct connection *self, enum close_reason reason)
{
	connection_enter(self);
	connection_close_now(self, reason);
	connection_leave(self);
}

void
connection_drain(struct connection *self)
{
	connection_enter(self);
	if (self->state == CONN_IDLE) {
		connection_say_goodbye(self, CLOSE_DRAINED);
		run(self);
	}
	connection_leave(self);
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

/* Past the handshake, and not on its way out. */
static bool
is_let_in(const struct connection *self)
{
	return self->state > CONN_HANDSHAKE && self->state < CONN_CLOSING;
}

void
connection_check_dates(struct connection *self, time_t now)
{
	enum close_reason reason;

	/* One that waits to be judged by a new generation is looked at then. */
	if (!is_let_in(self) || self->generation != self->services->generation)
		return;
	/* A reload may have brought a CA that runs longer: then the second half says so. */
	if (now >= self->certificate_ends &&
	    tls_stream_verify_again(self->tls, self->services->tls) != NULL)
		reason = CLOSE_CERTIFICATE_ENDED;
	else if (self->transaction != NULL &&
	         transaction_redecide(self->transaction, &self->caller) != PROBLEM_NONE)
		reason = CLOSE_LICENCE_ENDED;
	else
		return;
	services_count(self->services, METRIC_EXPIRED_CUT, 1);
	connection_close(self, reason);
}

static void
cut(struct connection *self, enum close_reason reason)
{
	self->services->review.cut++;
	services_count(self->services, METRIC_REAUTHORISED_CUT, 1);
	connection_close_now(self, reason);
}

void
connection_reauthorise(struct connection *self)
{
	struct services *services = self->services;

	if (self->generation == services->generation || self->state == CONN_CLOSED)
		return;
	self->generation = services->generation;
	connection_enter(self);
	bool judged = is_let_in(self); /* if not, the end of its handshake will */
	if (judged && tls_stream_verify_again(self->tls, services->tls) != NULL)
		cut(self, CLOSE_REVOKED);
	else if (judged && !still_allowed(self))
		cut(self, CLOSE_WITHDRAWN);
	else
		services->review.kept++;
	connection_leave(self);
}
