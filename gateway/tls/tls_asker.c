/*
 * Asking for signatures. The hard part is whom an answer is for: who waits lies on a stack of its
 * own, may give up before the answer comes, and may be asked for a second time elsewhere.
 */
#include "tls_asker.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "tls_pause.h"

struct wait {
	struct wait *next, *previous;
	struct tls_pause *pause;
	const struct tls_signing_request *request;
	struct tls_signing_answer *answer;
	bool is_answered;
};

/* Those that were sent come first, in that order, then `unsent` and the rest. */
struct tls_asker {
	int fd;
	uint64_t last_id;
	unsigned on_their_way;
	struct wait *first, *last, *unsent;
};

struct tls_asker *
tls_asker_new(void)
{
	struct tls_asker *self = buffer_alloc(sizeof *self);

	self->fd = -1;
	return self;
}

void
tls_asker_free(struct tls_asker *self)
{
	if (self == NULL)
		return;
	assert(self->first == NULL && self->on_their_way == 0);
	if (self->fd >= 0)
		close(self->fd);
	free(self);
}

/* Sends what may be. What cannot be sent now follows after the next answer, or elsewhere. */
static void
send_on(struct tls_asker *self)
{
	while (self->fd >= 0 && self->unsent != NULL && self->on_their_way < TLS_SIGNING_AT_ONCE) {
		const struct tls_signing_request *request = self->unsent->request;
		if (send(self->fd, request, tls_signing_request_size(request),
		        MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			return;
		self->unsent = self->unsent->next;
		self->on_their_way++;
	}
}

void
tls_asker_connect(struct tls_asker *self, int fd)
{
	if (self->fd >= 0)
		close(self->fd);
	self->fd = fd;
	self->unsent = self->first;
	self->on_their_way = 0;
	send_on(self);
}

static void
add(struct tls_asker *self, struct wait *wait)
{
	wait->previous = self->last;
	if (self->last != NULL)
		self->last->next = wait;
	else
		self->first = wait;
	self->last = wait;
	if (self->unsent == NULL)
		self->unsent = wait;
}

static void
take_out(struct tls_asker *self, struct wait *wait)
{
	if (self->unsent == wait)
		self->unsent = wait->next;
	if (wait->previous != NULL)
		wait->previous->next = wait->next;
	else
		self->first = wait->next;
	if (wait->next != NULL)
		wait->next->previous = wait->previous;
	else
		self->last = wait->previous;
}

static void
on_answer(struct tls_asker *self, const struct tls_signing_answer *answer)
{
	struct wait *wait = self->first;

	if (self->on_their_way > 0)
		self->on_their_way--;
	while (wait != self->unsent && wait->request->id != answer->id)
		wait = wait->next;
	if (wait == self->unsent)
		return; /* it has given up */
	take_out(self, wait);
	*wait->answer = *answer;
	wait->is_answered = true;
	tls_pause_wake(wait->pause);
}

bool
tls_asker_receive(struct tls_asker *self)
{
	struct tls_signing_answer answer;

	assert(self->fd >= 0);
	for (unsigned i = 0; i == 0 || (i < TLS_SIGNING_AT_ONCE && self->on_their_way > 0); i++) {
		ssize_t n = recv(self->fd, &answer, sizeof answer, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0 || !tls_signing_answer_is_whole(&answer, (size_t)n))
			return false;
		on_answer(self, &answer);
	}
	send_on(self);
	return true;
}

bool
tls_asker_sign(
    struct tls_asker *self, struct tls_signing_request *request, struct tls_signing_answer *answer)
{
	struct wait wait = {.pause = tls_pause_current(), .request = request, .answer = answer};

	if (wait.pause == NULL)
		return false;
	request->id = ++self->last_id;
	add(self, &wait);
	send_on(self);
	bool goes_on = tls_pause_wait(wait.pause);
	if (!wait.is_answered)
		take_out(self, &wait); /* its answer, if it comes, is for nobody */
	return goes_on && answer->result == TLS_SIGNING_DONE;
}
