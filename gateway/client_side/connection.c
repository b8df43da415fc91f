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
#include <strings.h>

#include "gateway/config/config_network.h"
#include "room_places.h"

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
		assert(self->transaction != NULL);
		/* Reads on, to notice a client that goes away. */
		return connection_request_fill_input(self, READ_AHEAD_MAX) &&
		       connection_answer_step(self);
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
	assert(self->entered > 0);
	if (self->running)
		return;
	connection_reauthorise(self);
	self->running = true;
	self->answers = 0;
	while (step(self) && self->answers < ANSWERS_PER_TURN)
		;
	self->running = false;
	assert(self->answers <= ANSWERS_PER_TURN);
	if (self->answers == ANSWERS_PER_TURN && self->state != CONN_CLOSED)
		connection_answer_take_turns(self);
	if (self->state != CONN_CLOSED && self->tls != NULL &&
	    tls_stream_flush(self->tls) == TLS_RESET)
		connection_close_now(self, CLOSE_PEER_RESET);
}

/* ---- events ---- */

/* What the socket has for us. */
static void
receive(struct connection *self)
{
	assert(self->fd >= 0);
	if (self->state == CONN_LINGER) {
		connection_state_linger(self);
		return;
	}
	switch (self->tls != NULL ? tls_stream_receive(self->tls) : TLS_OK) {
	case TLS_OK:
		self->received = self->received || self->tls != NULL;
		run(self);
		break;
	case TLS_WANT_READ: /* the turn may be for something else, too */
		run(self);
		break;
	case TLS_EOF:
		connection_close_now(self, CLOSE_PEER_TRUNCATED);
		break;
	default:
		connection_close_now(self, CLOSE_PEER_RESET);
		break;
	}
}

/* The socket takes more. */
static void
send_on(struct connection *self)
{
	assert(self->tls != NULL);
	if (tls_stream_flush(self->tls) == TLS_RESET) {
		connection_close_now(self, CLOSE_PEER_RESET);
		return;
	}
	connection_answer_progress(self);
	run(self);
}

void
connection_turn(struct fair_entry *entry)
{
	struct connection *self =
	    (struct connection *)((char *)entry - offsetof(struct connection, turn));
	bool readable = self->readable, writable = self->writable;

	assert(self->state != CONN_CLOSED && self->entered == 0);
	self->readable = self->writable = false;
	connection_enter(self);
	if (writable)
		send_on(self);
	/* Something may have come between: then the watcher is off, and sees it again when it is
	 * on. */
	if (readable && connection_state_wants_to_read(self))
		receive(self);
	else if (!writable)
		run(self);
	connection_leave(self);
}

static void
on_transaction_wake(void *arg)
{
	struct connection *self = arg;

	assert(self->transaction != NULL);
	turns_wait(self->services->turns, &self->turn);
}

static void
on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct connection *self = io->data;

	(void)loop, (void)events;
	assert(self->state != CONN_CLOSED && io->fd == self->fd);
	self->readable = true;
	turns_wait(self->services->turns, &self->turn);
}

static void
on_writable(struct ev_loop *loop, ev_io *io, int events)
{
	struct connection *self = io->data;

	(void)loop, (void)events;
	assert(self->state != CONN_CLOSED && io->fd == self->fd);
	self->writable = true;
	turns_wait(self->services->turns, &self->turn);
}

static void
on_throttle_over(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct connection *self = timer->data;

	(void)loop, (void)events;
	assert(self->state != CONN_CLOSED);
	connection_enter(self);
	connection_answer_unthrottle(self);
	connection_leave(self);
	turns_wait(self->services->turns, &self->turn);
}

static void
on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct connection *self = timer->data;

	(void)loop, (void)events;
	assert(self->state != CONN_CLOSED && self->entered == 0);
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
		connection_request_body_timed_out(self, CLOSE_BODY_TIMEOUT);
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

	assert(options->fd >= 0 && options->started != NULL && options->ended != NULL);
	self->services = options->services;
	self->generation = self->services->generation;
	self->ended = options->ended;
	self->arg = options->arg;
	self->fd = options->fd;
	self->state = CONN_PROXY_HEADER;
	self->refused_because = CLOSE_REFUSED_REQUEST;
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
	turns_join(self->services->turns, &self->turn, self->address_key.hash);
	services_count(self->services, METRIC_CONNECTIONS_NOT_ADMITTED, 1);
	room_places_update(self);
	assert(self->place != 0);
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
	assert(self->tls != NULL);
	const struct identity *identity = tls_stream_identity(self->tls);
	struct policy_caller caller =
	    policy_find_certified(self->services->policy, identity->subject, identity->issuer);
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

bool
connection_cut(struct connection *self, const char *name)
{
	if (!is_let_in(self))
		return false;
	assert(self->tls != NULL);
	bool is_customers =
	    self->caller.role == POLICY_ROLE_CUSTOMER && strcmp(self->caller.customer, name) == 0;
	if (!is_customers && strcasecmp(tls_stream_identity(self->tls)->serial, name) != 0)
		return false;
	connection_close(self, CLOSE_CUT);
	return true;
}

void
connection_check_dates(struct connection *self, time_t now)
{
	enum close_reason reason;

	/* One that waits to be judged by a new generation is looked at then. */
	if (!is_let_in(self) || self->generation != self->services->generation)
		return;
	assert(self->tls != NULL);
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
	assert(self->state != CONN_CLOSED && self->entered > 0);
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
	assert(!judged || self->tls != NULL);
	if (judged && tls_stream_verify_again(self->tls, services->tls) != NULL)
		cut(self, CLOSE_REVOKED);
	else if (judged && !still_allowed(self))
		cut(self, CLOSE_WITHDRAWN);
	else
		services->review.kept++;
	connection_leave(self);
}
