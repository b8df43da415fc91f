/* An active check of a store server. It reads no more than the first bytes of the answer. */
#include "store_check.h"

#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>

#include "base/path_spelling.h"
#include "exchange_order.h"
#include "store_link.h"

enum { STATUS_LINE_MIN = 12 };

struct store_check {
	struct ev_loop *loop;
	const struct config_store *store;
	const char *probe, *credentials;
	struct store_link link;
	bool asked;
	char answer[STATUS_LINE_MIN + 1]; /* "HTTP/1.1 200" */
	size_t answer_len;
	ev_io io;
	ev_timer timer;
	store_check_fn *fn;
	void *arg;
};

static void
finish(struct store_check *self, bool up)
{
	ev_io_stop(self->loop, &self->io);
	ev_timer_stop(self->loop, &self->timer);
	self->fn(self->arg, up);
}

static void
on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	finish(timer->data, false);
}

static bool
send_request(struct store_check *self)
{
	struct buffer text = {0};

	buffer_append(&text, "GET ", 4);
	path_spelling_encode(self->store->base, strlen(self->store->base), &text);
	path_spelling_encode(self->probe, strlen(self->probe), &text);
	buffer_puts(&text, " HTTP/1.1\r\n");
	exchange_order_address(self->store, self->credentials, &text);
	buffer_puts(&text, "Connection: close\r\n\r\n");
	ssize_t sent = store_link_send(&self->link, buffer_bytes(&text), buffer_size(&text));
	bool whole = sent == (ssize_t)buffer_size(&text);
	buffer_fini(&text);
	return whole;
}

static void
read_answer(struct store_check *self)
{
	ssize_t n = store_link_receive(
	    &self->link, self->answer + self->answer_len, STATUS_LINE_MIN - self->answer_len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		finish(self, false);
		return;
	}
	self->answer_len += (size_t)n;
	if (self->answer_len < STATUS_LINE_MIN)
		return;
	finish(self, memcmp(self->answer, "HTTP/1.", 7) == 0 && self->answer[9] >= '1' &&
	                 self->answer[9] <= '4');
}

static void
wait_for(struct store_check *self, int events)
{
	ev_io_stop(self->loop, &self->io);
	ev_io_set(&self->io, self->link.fd, events);
	ev_io_start(self->loop, &self->io);
}

/* It is connected: asks, if it is to. */
static void
ask(struct store_check *self)
{
	if (self->probe == NULL || !send_request(self)) {
		finish(self, self->probe == NULL);
		return;
	}
	self->asked = true;
	wait_for(self, EV_READ);
}

static void
on_event(struct ev_loop *loop, ev_io *io, int events)
{
	struct store_check *self = io->data;
	const char *why;

	(void)loop, (void)events;
	if (self->asked) {
		read_answer(self);
		return;
	}
	switch (store_link_go_on(&self->link, &why)) {
	case STORE_LINK_READY:
		ask(self);
		break;
	case STORE_LINK_WANT_READ:
		wait_for(self, EV_READ);
		break;
	case STORE_LINK_WANT_WRITE:
		wait_for(self, EV_WRITE);
		break;
	case STORE_LINK_FAILED:
		finish(self, false);
		break;
	}
}

struct store_check *
store_check_start(
    struct ev_loop *loop, const struct store_check_order *order, store_check_fn *fn, void *arg)
{
	struct store_check *self = buffer_alloc(sizeof *self);

	*self = (struct store_check){
	    .loop = loop, .store = order->store, .probe = order->probe, .fn = fn, .arg = arg};
	self->credentials = order->credentials;
	bool failed =
	    store_link_open(&self->link, order->endpoint, order->peer) == STORE_LINK_FAILED;
	ev_timer_init(&self->timer, on_timeout, failed ? 0. : order->timeout, 0.);
	self->timer.data = self;
	ev_timer_start(loop, &self->timer);
	ev_io_init(&self->io, on_event, self->link.fd, EV_WRITE);
	self->io.data = self;
	if (!failed)
		ev_io_start(loop, &self->io);
	return self;
}

void
store_check_free(struct store_check *self)
{
	if (self == NULL)
		return;
	ev_io_stop(self->loop, &self->io);
	ev_timer_stop(self->loop, &self->timer);
	store_link_close(&self->link);
	free(self);
}
