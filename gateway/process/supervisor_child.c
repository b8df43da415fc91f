/*
 * A worker as the supervisor sees it: started, told of generations, started again. The hard part is
 * that it may die at any moment, also between a generation and its answer.
 */
#include "supervisor_private.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin.h"
#include "base/clock.h"
#include "channel.h"
#include "crash_trace.h"
#include "gateway/node/log.h"
#include "gateway/node/pulse.h"
#include "gateway/request/log_turn.h"
#include "notify.h"
#include "worker.h"

static const ev_tstamp fork_delay = 1; /* seconds, when no process can be made */

/* ---- generations ---- */

/* Prints the line of a generation that every running worker has adopted. */
static void
announce_generation(struct supervisor *self)
{
	uint64_t number = self->generation->number;
	unsigned live = 0;
	uint32_t kept = 0, cut = 0;

	for (unsigned i = 0; i < self->count; i++) {
		if (self->children[i].adopted != number)
			continue;
		live++;
		kept += self->children[i].kept;
		cut += self->children[i].cut;
	}
	assert(live <= self->count && self->announced <= number);
	if (live < self->count || self->announced == number)
		return;
	self->announced = number;
	self->announced_kept = kept;
	self->announced_cut = cut;
	supervisor_keys_outdate(self);
	log_info("generation %llu live on %u/%u workers: kept %u, cut %u",
	    (unsigned long long)number, live, self->count, kept, cut);
	const struct history_generation line = {
	    .number = number, .time = (uint64_t)ev_now(self->loop), .kept = kept, .cut = cut};
	history_add_generation(self->history, &line);
	if (supervisor_upgrade_is_waiting(self))
		supervisor_upgrade_ready(self);
	else
		notify_ready();
	admin_on_live(self->admin);
}

void
supervisor_child_send_generation(struct child *child)
{
	struct supervisor *self = child->supervisor;
	struct channel_message message = {.type = CHANNEL_ADOPT,
	    .generation = self->generation->number,
	    .fd_count = GENERATION_FILES};

	if (child->channel < 0 || child->adopting)
		return; /* it will start with this generation, or be told when it answers */
	assert(child->pid > 0);
	memcpy(message.fds, self->generation->files, sizeof self->generation->files);
	message.fds[GENERATION_KEY] = -1; /* the key holder's */
	child->adopting = channel_send(child->channel, &message);
	if (child->adopting)
		return;
	/* A worker that cannot be told must not go on with the old policy. */
	log_error("worker %u cannot be told of generation %llu (%s): it is restarted", child->index,
	    (unsigned long long)self->generation->number, strerror(errno));
	supervisor_crash_replace(child);
}

static void
on_adopted(struct child *child, const struct channel_message *message)
{
	struct supervisor *self = child->supervisor;

	assert(child->pid > 0 && child->channel >= 0);
	if (message->text[0] != '\0') {
		log_error("worker %u cannot adopt generation %llu (%s): it is restarted",
		    child->index, (unsigned long long)message->generation, message->text);
		supervisor_crash_replace(child);
		return;
	}
	assert(message->generation <= self->generation->number);
	child->adopting = false;
	child->adopted = message->generation;
	child->kept = message->kept;
	child->cut = message->cut;
	if (child->adopted != self->generation->number)
		supervisor_child_send_generation(child);
	else
		announce_generation(self);
}

/* ---- life ---- */

static void
on_channel(struct ev_loop *loop, ev_io *io, int events)
{
	struct child *child = io->data;
	struct channel_message message;

	(void)loop, (void)events;
	assert(child->pid > 0 && io->fd == child->channel);
	switch (channel_receive(io->fd, &message)) {
	case CHANNEL_RECEIVED:
		/* A worker may be compromised: it is believed only what harms itself. */
		for (unsigned i = 0; i < CHANNEL_MAX_FDS; i++)
			if (message.fds[i] >= 0)
				close(message.fds[i]);
		if (message.type == CHANNEL_ADOPTED &&
		    message.generation <= child->supervisor->generation->number)
			on_adopted(child, &message);
		else if (message.type == CHANNEL_LOOK_UP)
			child->supervisor->on_look_up(child->supervisor);
		else if (message.type == CHANNEL_WAS_CUT)
			admin_on_cut(child->supervisor->admin, child->index, message.generation,
			    message.cut);
		break;
	case CHANNEL_NOTHING:
		break;
	case CHANNEL_BROKEN:
	case CHANNEL_ENDED: /* on_exit_of_child() follows */
		ev_io_stop(child->supervisor->loop, &child->io);
		break;
	}
}

static void
log_end_of_drain(const struct child *child, int status)
{
	if (WIFSIGNALED(status))
		log_error("worker %u (process %d) was killed by signal %d while draining",
		    child->index, (int)child->pid, WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		log_error("worker %u (process %d) failed with status %d while draining",
		    child->index, (int)child->pid, WEXITSTATUS(status));
}

static void
on_exit_of_child(struct ev_loop *loop, ev_child *watcher, int events)
{
	struct child *child = watcher->data;
	struct supervisor *self = child->supervisor;

	(void)events;
	assert(child->pid > 0 && watcher->rpid == child->pid);
	ev_tstamp pause = self->draining ? 0 : supervisor_crash_ended(child, watcher->rstatus);
	ev_child_stop(loop, &child->exit);
	ev_io_stop(loop, &child->io);
	close(child->channel);
	child->channel = -1;
	child->pid = 0;
	child->adopted = 0;
	self->reaped = process_usage_of_children(); /* it has told of its own itself */
	metrics_reset_gauges(self->metrics, child->index);
	quota_forget_worker(self->quota, child->index);
	log_turn_give(self->log_turn, child->index);
	admin_on_end_of_worker(self->admin, child->index);
	if (self->draining) {
		log_end_of_drain(child, watcher->rstatus);
		if (watcher->rstatus != 0)
			self->status = EXIT_FAILURE;
		for (unsigned i = 0; i < self->count; i++)
			if (self->children[i].pid != 0)
				return;
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	ev_timer_set(&child->restart, pause, 0.);
	ev_timer_start(loop, &child->restart);
}

static void
on_restart(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct child *child = timer->data;

	(void)loop, (void)events;
	assert(child->pid == 0 && !child->supervisor->draining);
	if (!crash_record_is_loop(&child->crashes))
		log_warning("worker %u is started again", child->index);
	supervisor_child_start(child);
}

/* The rest of the new process's life. */
static void
run_child(struct child *child, int channel, int keys)
{
	struct supervisor *self = child->supervisor;
	static const int ignored[] = {SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE};
	sigset_t none;

	signal(SIGCHLD, SIG_DFL);
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN); /* the supervisor tells us */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (unsigned i = 0; i < self->count; i++) {
		if (self->children[i].channel >= 0)
			close(self->children[i].channel);
		if (i != child->index)
			pulse_free(self->children[i].pulse);
	}
	if (!crash_record_is_loop(&child->crashes))
		crash_trace_install(child->index);
	loader_forget(self->loader);
	admin_forget(self->admin);
	bool holds = supervisor_upgrade_is_waiting(self);
	supervisor_upgrade_forget(self);
	supervisor_keys_forget(self);
	ev_loop_destroy(self->loop);
	sockets_keep_only(self->sockets, child->index);
	struct worker_options options = {
	    .index = child->index,
	    .sockets = sockets_of(self->sockets, child->index),
	    .channel = channel,
	    .keys = keys,
	    .access_log = self->access_log,
	    .log_turn = self->log_turn,
	    .generation = self->generation,
	    .user = &self->user,
	    .metrics = self->metrics,
	    .history = self->history,
	    .quota = self->quota,
	    .marks = self->marks,
	    .pulse = child->pulse,
	    .holds = holds,
	};
	exit(worker_run(&options));
}

void
supervisor_child_start(struct child *child)
{
	struct supervisor *self = child->supervisor;
	int ends[2];

	assert(child->pid == 0 && child->channel < 0 && !self->draining);
	if (!channel_pair(ends)) {
		log_error("worker %u cannot be started: %s", child->index, strerror(errno));
		ev_timer_set(&child->restart, fork_delay, 0.);
		ev_timer_start(self->loop, &child->restart);
		return;
	}
	child->started = clock_seconds();
	supervisor_crash_started(child);
	int keys = supervisor_keys_connect(self, child->index);
	child->pid = fork();
	if (child->pid == 0) {
		close(ends[0]);
		run_child(child, ends[1], keys);
	}
	close(ends[1]);
	if (keys >= 0)
		close(keys);
	if (child->pid < 0) {
		log_error("worker %u cannot be started: %s", child->index, strerror(errno));
		close(ends[0]);
		child->pid = 0;
		ev_timer_set(&child->restart, fork_delay, 0.);
		ev_timer_start(self->loop, &child->restart);
		return;
	}
	assert(child->pid > 0 && ends[0] >= 0);
	child->channel = ends[0];
	child->has_old_log = false;
	child->adopting = true; /* it reports the generation it starts with */
	ev_io_set(&child->io, child->channel, EV_READ);
	ev_io_start(self->loop, &child->io);
	ev_child_set(&child->exit, child->pid, 0);
	ev_child_start(self->loop, &child->exit);
}

void
supervisor_child_init(struct supervisor *self, unsigned index)
{
	struct child *child = &self->children[index];

	assert(index < self->count);
	child->supervisor = self;
	child->index = index;
	child->channel = -1;
	ev_init(&child->io, on_channel);
	ev_init(&child->exit, on_exit_of_child);
	ev_init(&child->restart, on_restart);
	child->io.data = child->exit.data = child->restart.data = child;
}
