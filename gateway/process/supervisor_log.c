/*
 * The access log: opened here, written by the workers. The hard part is a worker that cannot be
 * handed the new file, and must not go on with the old one unnoticed.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "gateway/node/log.h"
#include "log_file.h"
#include "supervisor_private.h"

static const ev_tstamp log_delay = 1; /* until a worker is handed the new log again */

/* Hands the access log to the workers that still have the one before. */
static void
hand_log_out(struct supervisor *self)
{
	struct channel_message message = {
	    .type = CHANNEL_REOPEN, .fds = {self->access_log}, .fd_count = 1};
	bool complete = true;

	assert(self->access_log >= 0);
	for (unsigned i = 0; i < self->count; i++) {
		struct child *child = &self->children[i];
		if (!child->has_old_log || child->channel < 0)
			continue;
		child->has_old_log = !channel_send(child->channel, &message);
		if (!child->has_old_log)
			continue;
		complete = false;
		log_error("worker %u cannot be given the new access log (%s) and writes to the old "
		          "one: it is tried again",
		    i, strerror(errno));
	}
	if (!complete)
		ev_timer_start(self->loop, &self->hand_log);
	else
		log_info("access log reopened");
}

static void
on_hand_log_again(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	hand_log_out(timer->data);
}

void
supervisor_log_take(struct supervisor *self, int fd)
{
	assert(fd >= 0);
	if (self->access_log > STDERR_FILENO)
		close(self->access_log);
	self->access_log = fd;
	for (unsigned i = 0; i < self->count; i++)
		self->children[i].has_old_log = true;
	ev_timer_stop(self->loop, &self->hand_log);
	ev_timer_set(&self->hand_log, log_delay, 0.);
	hand_log_out(self);
}

static void
on_reopen(struct ev_loop *loop, ev_signal *signal, int events)
{
	struct supervisor *self = signal->data;
	int fd = log_file_open(self->config, &self->user);

	(void)loop, (void)events;
	supervisor_upgrade_note(self, SIGUSR1);
	if (fd < 0) {
		log_error("the access log is not reopened: the file that is open is written to");
		return;
	}
	supervisor_log_take(self, fd);
}

void
supervisor_log_init(struct supervisor *self)
{
	ev_timer_init(&self->hand_log, on_hand_log_again, log_delay, 0.);
	self->hand_log.data = self;
	ev_signal_init(&self->reopen, on_reopen, SIGUSR1);
	self->reopen.data = self;
	ev_signal_start(self->loop, &self->reopen);
}
