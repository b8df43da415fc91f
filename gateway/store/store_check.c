/* An active check of a store server. It reads no more than the first bytes of the answer. */
#include "store_check.h"

#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/path_spelling.h"
#include "exchange_order.h"

enum { STATUS_LINE_MIN = 12 };

struct store_check {
	struct ev_loop *loop;
	const struct config_store *store;
	const char *probe, *credentials;
	int fd;
	bool asked;
	char answer[STATUS_LINE_MIN + 1]; /* "HTTP/1.1 200" */
	size_t answer_len;
	ev_io io;
	ev_timer timer;
	store_check_fn *fn;
	void *arg;
};

int
store_check_connect(const struct config_endpoint *endpoint, bool *connected)
{
	int family = endpoint->address.ss_family, one = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	*connected = false;
	if (fd < 0)
		return -1;
	if (family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(fd, (const struct sockaddr *)&endpoint->address, endpoint->len) == 0) {
		*connected = true;
		return fd;
	}
	if (errno == EINPROGRESS)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

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
	ssize_t sent = send(self->fd, buffer_bytes(&text), buffer_size(&text), MSG_NOSIGNAL);
	bool whole = sent == (ssize_t)buffer_size(&text);
	buffer_fini(&text);
	return whole;
}

static void
read_answer(struct store_check *self)
{
	ssize_t n =
	    recv(self->fd, self->answer + self->answer_len, STATUS_LINE_MIN - self->answer_len, 0);

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
on_event(struct ev_loop *loop, ev_io *io, int events)
{
	struct store_check *self = io->data;
	int error = 0;
	socklen_t len = sizeof error;

	(void)loop, (void)events;
	if (self->asked) {
		read_answer(self);
		return;
	}
	if (getsockopt(self->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
		finish(self, false);
		return;
	}
	if (self->probe == NULL || !send_request(self)) {
		finish(self, self->probe == NULL);
		return;
	}
	self->asked = true;
	ev_io_stop(self->loop, &self->io);
	ev_io_set(&self->io, self->fd, EV_READ);
	ev_io_start(self->loop, &self->io);
}

struct store_check *
store_check_start(
    struct ev_loop *loop, const struct store_check_order *order, store_check_fn *fn, void *arg)
{
	struct store_check *self = buffer_alloc(sizeof *self);
	bool connected;

	*self = (struct store_check){
	    .loop = loop, .store = order->store, .probe = order->probe, .fn = fn, .arg = arg};
	self->credentials = order->credentials;
	self->fd = store_check_connect(order->endpoint, &connected);
	ev_timer_init(&self->timer, on_timeout, self->fd < 0 ? 0. : order->timeout, 0.);
	self->timer.data = self;
	ev_timer_start(loop, &self->timer);
	ev_io_init(&self->io, on_event, self->fd, EV_WRITE);
	self->io.data = self;
	if (self->fd >= 0)
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
	if (self->fd >= 0)
		close(self->fd);
	free(self);
}
