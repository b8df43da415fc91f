/*
 * One connection as a state machine. Each state has a step function; session_run() repeats
 * steps until one has to wait or the connection is over, and is the only place that ends it.
 *
 * The hard part is waiting. Watchers follow from the state in one function. No state has a time
 * limit of its own: all peers are processes of this machine, and a dead one's sockets are closed
 * by the kernel, so a peer that neither reads nor closes holds its own connection and no more.
 */
#include "session.h"

#include <errno.h>
#include <ev.h>
#include <linux/sockios.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answer.h"
#include "bytes.h"
#include "faults.h"
#include "file_store.h"
#include "reply.h"
#include "request.h"
#include "request_log.h"
#include "sender.h"

/* One read. */
#define READ_SIZE (64 * 1024)

/* Pipelined bytes kept while an answer is under way; beyond that the socket is not read. */
#define INPUT_MAX (64 * 1024)

/* Body bytes sent in one turn of the loop, so that a fast reader does not starve the others. */
#define TURN_SIZE (2 * 1024 * 1024)

/* Between two looks at whether the kernel has delivered everything, in seconds. */
#define FLUSH_INTERVAL 0.001

#define STATES(X)                                                                                 \
	X(REQUEST, request) /* until a request is complete */                                     \
	X(DELAY, idle)      /* fault: before the answer */                                        \
	X(SEND, send)       /* the answer */                                                      \
	X(PAUSE, idle)      /* fault: between two pieces of the body */                           \
	X(FLUSH, flush)     /* fault: until the peer has all, for RST throws unsent bytes away */ \
	X(SILENT, discard)  /* fault: no answer ever */                                           \
	X(LINGER, discard)  /* the peer may still be sending what was refused */

enum state {
#define X(name, step) STATE_##name,
	STATES(X)
#undef X
};

enum step {
	STEP_AGAIN, /* go on with the next step at once */
	STEP_WAIT,  /* for the socket or the timer */
	STEP_CLOSE  /* the connection is over */
};

struct session {
	const struct session_context *context;
	struct session *next;
	struct session *previous;
	uint64_t number;
	int fd;
	enum state state;
	ev_io io;
	ev_timer timer;
	struct bytes input; /* received and not yet part of a request */
	bool eof;           /* the peer will send no more */
	struct request *request;
	struct fault_set faults;
	struct reply reply;
	struct sender sender;
	bool keep_alive;
	bool lingers;
	bool dies_at_next;
};

static enum step
to_state(struct session *s, enum state state)
{
	s->state = state;
	return STEP_AGAIN;
}

static enum step
to_timed_state(struct session *s, enum state state, double seconds)
{
	s->state = state;
	ev_timer_stop(s->context->loop, &s->timer);
	ev_timer_set(&s->timer, seconds, 0.);
	ev_now_update(s->context->loop);
	ev_timer_start(s->context->loop, &s->timer);
	return STEP_WAIT;
}

/* The next close() sends RST and drops what was not delivered. */
static void
arm_reset(struct session *s)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};

	setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static enum step
start_reply(struct session *s)
{
	struct reply_options options = {
	    .head_only = strcmp(request_method(s->request), "HEAD") == 0,
	    .keep_alive = s->keep_alive,
	    .http10 = request_is_http10(s->request),
	};

	reply_compose(&s->reply, &s->faults, &options);
	s->sender = (struct sender){0};
	if (s->faults.delay_head > 0)
		return to_timed_state(s, STATE_DELAY, (double)s->faults.delay_head / 1000.);
	return to_state(s, STATE_SEND);
}

/* A request that cannot be read to its end: say so, close, and let the peer finish sending. */
static enum step
refuse_request(struct session *s)
{
	s->faults = (struct fault_set)FAULT_SET_NONE;
	s->keep_alive = false;
	s->lingers = true;
	answer_status(&s->reply, request_refusal(s->request));
	return start_reply(s);
}

static enum step
answer(struct session *s, const char *path)
{
	answer_request(s->context->store, s->request, path, &s->faults, &s->reply);
	s->keep_alive = request_keeps_alive(s->request) && s->faults.close == 0;
	s->dies_at_next = s->faults.die_idle != 0;
	return start_reply(s);
}

static enum step
take_request(struct session *s)
{
	struct bytes path = {0};
	enum faults_result result;
	enum step step;

	request_log_request(s->context->log, s->number, s->request);
	if (s->dies_at_next)
		return STEP_CLOSE;
	s->faults = (struct fault_set)FAULT_SET_NONE;
	result = faults_select(s->context->faults, request_path(s->request), &s->faults, &path);
	if (result != FAULTS_OK) {
		s->faults = (struct fault_set)FAULT_SET_NONE;
		s->keep_alive = request_keeps_alive(s->request);
		reply_set_text(&s->reply, 400, "bad fault in the path\n");
		step = start_reply(s);
	} else if (s->faults.reset != 0) {
		arm_reset(s);
		step = STEP_CLOSE;
	} else if (s->faults.silent != 0) {
		step = to_state(s, STATE_SILENT);
	} else {
		step = answer(s, path.data);
	}
	bytes_fini(&path);
	return step;
}

/* Optional by RFC 9110: when the socket takes nothing now, the client sends its body anyway. */
static void
send_continue(struct session *s)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (request_take_continue(s->request))
		(void)!send(s->fd, text, sizeof text - 1, MSG_NOSIGNAL);
}

static enum step
step_request(struct session *s)
{
	enum request_progress progress = REQUEST_MORE;

	if (s->input.len > 0) {
		size_t used = request_feed(s->request, s->input.data, s->input.len, &progress);

		bytes_drop(&s->input, used);
	}
	switch (progress) {
	case REQUEST_READY:
		return take_request(s);
	case REQUEST_REFUSED:
		return refuse_request(s);
	case REQUEST_MORE:
		break;
	}
	send_continue(s);
	return s->eof ? STEP_CLOSE : STEP_WAIT;
}

/* Until the timer ends the state, or the peer the connection. */
static enum step
step_idle(struct session *s)
{
	return s->eof ? STEP_CLOSE : STEP_WAIT;
}

/* Until the peer ends the connection; what it sends is logged and thrown away. */
static enum step
step_discard(struct session *s)
{
	s->input.len = 0;
	return s->eof ? STEP_CLOSE : STEP_WAIT;
}

/* The answer is out: reset or cut when asked to, else on to the next request. */
static enum step
end_reply(struct session *s)
{
	reply_fini(&s->reply);
	request_reset(s->request);
	if (s->faults.reset_body >= 0)
		return to_state(s, STATE_FLUSH);
	if (s->faults.cut_body >= 0)
		return STEP_CLOSE;
	if (s->lingers) {
		shutdown(s->fd, SHUT_WR);
		return to_state(s, STATE_LINGER);
	}
	return s->keep_alive ? to_state(s, STATE_REQUEST) : STEP_CLOSE;
}

static enum step
step_send(struct session *s)
{
	bool slow = s->faults.delay_body > 0;

	switch (sender_send(&s->sender, s->fd, &s->reply, TURN_SIZE, slow)) {
	case SENDER_DONE:
		return end_reply(s);
	case SENDER_BLOCKED:
		return STEP_WAIT;
	case SENDER_PAUSED:
		return to_timed_state(s, STATE_PAUSE, (double)s->faults.delay_body / 1000.);
	case SENDER_BROKEN:
		break;
	}
	return STEP_CLOSE;
}

static enum step
step_flush(struct session *s)
{
	int queued = 0;

	if (ioctl(s->fd, SIOCOUTQ, &queued) == 0 && queued > 0)
		return to_timed_state(s, STATE_FLUSH, FLUSH_INTERVAL);
	arm_reset(s);
	return STEP_CLOSE;
}

static enum step (*const steps[])(struct session *) = {
#define X(name, step) [STATE_##name] = step_##step,
    STATES(X)
#undef X
};

static void
update_watchers(struct session *s)
{
	int events = (s->state == STATE_SEND ? EV_WRITE : 0) |
	             (!s->eof && s->input.len < INPUT_MAX ? EV_READ : 0);

	if (ev_is_active(&s->io) && (s->io.events & (EV_READ | EV_WRITE)) == events)
		return;
	ev_io_stop(s->context->loop, &s->io);
	ev_io_set(&s->io, s->fd, events);
	if (events != 0)
		ev_io_start(s->context->loop, &s->io);
}

static void
end_session(struct session *s)
{
	s->context->on_end(s, s->context->data);
	session_free(s);
}

/* May free the session. */
static void
session_run(struct session *s)
{
	enum step step;

	do
		step = steps[s->state](s);
	while (step == STEP_AGAIN);
	if (step == STEP_CLOSE)
		end_session(s);
	else
		update_watchers(s);
}

/* One read; false when the connection is broken. */
static bool
receive(struct session *s)
{
	static char buffer[READ_SIZE];
	ssize_t n = recv(s->fd, buffer, sizeof buffer, 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0) {
		s->eof = true;
		return true;
	}
	request_log_data(s->context->log, s->number, buffer, (size_t)n);
	bytes_add(&s->input, buffer, (size_t)n);
	return true;
}

static void
on_socket_ready(struct ev_loop *loop, ev_io *w, int events)
{
	struct session *s = w->data;

	(void)loop;
	if ((events & EV_READ) != 0 && !receive(s))
		end_session(s);
	else
		session_run(s);
}

static void
on_time_up(struct ev_loop *loop, ev_timer *w, int events)
{
	struct session *s = w->data;

	(void)loop;
	(void)events;
	if (s->state == STATE_DELAY || s->state == STATE_PAUSE)
		to_state(s, STATE_SEND);
	session_run(s);
}

struct session *
session_new(const struct session_context *context, int fd, uint64_t number)
{
	struct session *s = calloc(1, sizeof *s);

	if (s == NULL)
		abort();
	s->context = context;
	s->fd = fd;
	s->number = number;
	s->request = request_new();
	reply_init(&s->reply);
	ev_init(&s->io, on_socket_ready);
	ev_init(&s->timer, on_time_up);
	s->io.data = s;
	s->timer.data = s;
	update_watchers(s);
	return s;
}

void
session_free(struct session *s)
{
	if (s == NULL)
		return;
	ev_io_stop(s->context->loop, &s->io);
	ev_timer_stop(s->context->loop, &s->timer);
	request_log_close(s->context->log, s->number);
	close(s->fd);
	bytes_fini(&s->input);
	request_free(s->request);
	reply_fini(&s->reply);
	free(s);
}

struct session **
session_next(struct session *s)
{
	return &s->next;
}

struct session **
session_previous(struct session *s)
{
	return &s->previous;
}
