/*
 * The change to another program without a lost request: SIGUSR2. Both sides are here, the gate that
 * serves and the one that is to follow it.
 *
 *   follower: builds its generation, starts workers that hold -> READY
 *   gate:     TAKE_OVER, then its workers accept no more and end with their connections
 *   follower: its workers accept -> READY
 *
 * The hard part is that the gate goes on as if nothing had been until READY, and does not come back
 * after the first READY. Meanwhile what waits at the sockets, which both have, waits for whoever
 * accepts.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin.h"
#include "channel.h"
#include "configuration.h"
#include "gateway/node/log.h"
#include "gateway/node/metrics.h"
#include "notify.h"
#include "supervisor_private.h"
#include "upgrade.h"

enum { SUCCESSOR_PATIENCE = 60 * 1000 }; /* milliseconds */

/* ---- the gate that serves ---- */

/* Nothing more is to be heard from the follower. */
static void
forget_follower(struct supervisor *self)
{
	struct follower *follower = &self->follower;

	assert(follower->pid > 0 && follower->channel >= 0);
	ev_timer_stop(self->loop, &follower->patience);
	ev_io_stop(self->loop, &follower->io);
	ev_child_stop(self->loop, &follower->exit);
	close(follower->channel);
	follower->channel = -1;
	follower->pid = 0;
}

static void
give_up(struct supervisor *self, const char *why)
{
	pid_t pid = self->follower.pid;

	forget_follower(self);
	metrics_add(self->metrics, self->count, METRIC_UPGRADES_FAILED, 1);
	log_error(
	    "upgrade failed: process %d %s; this one, %d, goes on", (int)pid, why, (int)getpid());
	configuration_remember(self->config); /* the other may have written its own down */
	admin_on_upgrade_ended(self->admin, pid, why);
}

/* Ends the follower, and with it its workers. */
static void
end_follower(struct supervisor *self, const char *why)
{
	assert(self->follower.pid > 0); /* 0 would be every process of this one's group */
	kill(self->follower.pid, SIGKILL);
	(void)waitpid(self->follower.pid, NULL, 0);
	give_up(self, why);
}

static void
on_impatience(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	end_follower(timer->data, "was not ready within timeouts.upgrade");
}

static void
on_exit_of_follower(struct ev_loop *loop, ev_child *watcher, int events)
{
	(void)loop, (void)events;
	give_up(watcher->data, "ended before it was ready");
}

static void
free_admin(struct supervisor *self)
{
	admin_free(self->admin);
	self->admin = NULL;
}

/* What has taken over serves, also when nobody can ask it. */
static void
start_admin(struct supervisor *self)
{
	assert(self->admin == NULL);
	if (self->config->admin_socket != NULL)
		self->admin = admin_new(self);
}

/* The successor serves, or it is gone. */
static void
on_end_of_upgrade(struct supervisor *self)
{
	struct follower *follower = &self->follower;
	bool is_gone = waitpid(follower->successor, NULL, WNOHANG) != 0;

	ev_io_stop(self->loop, &follower->io);
	close(follower->channel);
	follower->channel = -1;
	admin_on_upgrade_ended(self->admin, follower->successor,
	    is_gone ? "ended as it took over, and nobody serves" : NULL);
	free_admin(self);
}

static void
on_message_of_successor(struct ev_loop *loop, ev_io *io, int events)
{
	struct channel_message message;

	(void)loop, (void)events;
	if (channel_receive(io->fd, &message) != CHANNEL_NOTHING)
		on_end_of_upgrade(io->data);
}

/* It was told to take over, and will say that it has. */
static void
await_successor(struct supervisor *self)
{
	struct follower *follower = &self->follower;

	ev_timer_stop(self->loop, &follower->patience);
	ev_child_stop(self->loop, &follower->exit);
	ev_io_stop(self->loop, &follower->io);
	follower->successor = follower->pid;
	follower->pid = 0;
	ev_set_cb(&follower->io, on_message_of_successor);
	ev_io_start(self->loop, &follower->io);
}

void
supervisor_upgrade_fini(struct supervisor *self)
{
	struct pollfd ended = {.fd = self->follower.channel, .events = POLLIN};

	/* Workers may be gone before the successor has started its own. */
	if (self->follower.successor == 0 || self->follower.channel < 0)
		return;
	(void)poll(&ended, 1, SUCCESSOR_PATIENCE);
	on_end_of_upgrade(self);
}

static void
hand_over(struct supervisor *self)
{
	const struct channel_message message = {.type = CHANNEL_TAKE_OVER};
	struct follower follower = self->follower;

	assert(!self->draining && !self->retired);
	notify_main_process(follower.pid);
	admin_on_draining(self->admin);
	admin_on_handing_over(self->admin); /* only one of the two can listen there */
	if (!channel_send(follower.channel, &message)) {
		notify_main_process(getpid());
		end_follower(self, "could not be told to take over");
		free_admin(self);
		start_admin(self);
		return;
	}
	/* Files may have changed since it read them. */
	if (follower.reload || loader_is_busy(self->loader))
		kill(follower.pid, SIGHUP);
	if (follower.reopen)
		kill(follower.pid, SIGUSR1);
	await_successor(self);
	log_info(
	    "upgrade: process %d takes over from this one, %d", (int)follower.pid, (int)getpid());
	self->retired = true;
	self->on_leave(self, CHANNEL_RETIRE);
}

static void
on_message_of_follower(struct ev_loop *loop, ev_io *io, int events)
{
	struct supervisor *self = io->data;
	struct channel_message message;

	(void)loop, (void)events;
	assert(io->fd == self->follower.channel);
	enum channel_result result = channel_receive(io->fd, &message);
	if (result == CHANNEL_NOTHING)
		return;
	if (result == CHANNEL_RECEIVED && message.type == CHANNEL_READY && message.fd_count == 0)
		hand_over(self);
	else
		end_follower(self, "ended before it was ready");
}

static bool
start_follower(struct supervisor *self)
{
	struct follower *follower = &self->follower;
	int *fds;

	assert(follower->pid == 0 && follower->channel == -1 && !self->draining);
	size_t count = sockets_list(self->sockets, &fds);
	pid_t pid = upgrade_start(fds, count, &follower->channel);

	free(fds);
	if (pid < 0) {
		log_error("upgrade failed, there can be no process: %s", strerror(errno));
		metrics_add(self->metrics, self->count, METRIC_UPGRADES_FAILED, 1);
		return false;
	}
	log_info("upgrade: process %d is started", (int)pid);
	follower->pid = pid;
	follower->reload = follower->reopen = false;
	ev_io_set(&follower->io, follower->channel, EV_READ);
	ev_io_start(self->loop, &follower->io);
	ev_child_set(&follower->exit, pid, 0);
	ev_child_start(self->loop, &follower->exit);
	ev_timer_set(&follower->patience, self->config->timeouts.upgrade, 0.);
	ev_timer_start(self->loop, &follower->patience);
	return true;
}

/* Fills WHY when no other program may be started. */
static bool
may_begin(const struct supervisor *self, char why[UPGRADE_WHY_MAX])
{
	const char *reason = NULL;

	if (self->draining)
		reason = "this process ends";
	else if (supervisor_upgrade_is_waiting(self))
		reason = "this process has not taken over yet";
	else if (getpid() == 1)
		reason = "process 1, with which a container ends, cannot be followed by another";
	if (reason != NULL)
		(void)snprintf(why, UPGRADE_WHY_MAX, "upgrade refused: %s", reason);
	else if (self->follower.pid != 0)
		(void)snprintf(why, UPGRADE_WHY_MAX,
		    "upgrade refused: process %d is about to take over already",
		    (int)self->follower.pid);
	return reason == NULL && self->follower.pid == 0;
}

/* Starts the program that is to take over. False, after logging WHY, when it is not started. */
static bool
upgrade_begin(struct supervisor *self, char why[UPGRADE_WHY_MAX])
{
	if (!may_begin(self, why)) {
		log_warning("%s", why);
		return false;
	}
	if (start_follower(self))
		return true;
	(void)snprintf(why, UPGRADE_WHY_MAX, "upgrade failed, there can be no process");
	return false;
}

static void
on_upgrade(struct ev_loop *loop, ev_signal *signal, int events)
{
	char why[UPGRADE_WHY_MAX];

	(void)loop, (void)events;
	(void)upgrade_begin(signal->data, why);
}

void
supervisor_upgrade_note(struct supervisor *self, int number)
{
	assert(number == SIGHUP || number == SIGUSR1);
	if (number == SIGHUP)
		self->follower.reload = true;
	else
		self->follower.reopen = true;
}

void
supervisor_upgrade_cancel(struct supervisor *self)
{
	if (self->follower.pid != 0)
		end_follower(self, "is not waited for");
}

void
supervisor_upgrade_hurry(struct supervisor *self)
{
	const struct channel_message message = {.type = CHANNEL_DRAIN};

	assert(self->retired);
	self->retired = false;
	log_info("draining");
	for (unsigned i = 0; i < self->count; i++)
		if (self->children[i].channel >= 0)
			(void)channel_send(self->children[i].channel, &message);
}

void
supervisor_upgrade_forget(struct supervisor *self)
{
	if (self->follower.channel >= 0)
		close(self->follower.channel);
	if (self->before >= 0)
		close(self->before);
}

/* ---- the one that is to follow ---- */

bool
supervisor_upgrade_is_waiting(const struct supervisor *self)
{
	return self->before >= 0;
}

/* Returns the channel, which is the caller's to close. */
static int
stop_waiting(struct supervisor *self)
{
	int channel = self->before;

	assert(supervisor_upgrade_is_waiting(self));
	ev_io_stop(self->loop, &self->before_io);
	self->before = -1;
	return channel;
}

static void
take_over(struct supervisor *self)
{
	const struct channel_message message = {.type = CHANNEL_LISTEN};
	const struct channel_message done = {.type = CHANNEL_READY};
	int channel = stop_waiting(self);

	for (unsigned i = 0; i < self->count; i++) {
		struct child *child = &self->children[i];
		if (child->channel >= 0 && !channel_send(child->channel, &message))
			supervisor_crash_replace(child);
	}
	start_admin(self);
	metrics_add(self->metrics, self->count, METRIC_UPGRADES_DONE, 1);
	log_info("upgrade: process %d has taken over", (int)getpid());
	notify_ready();
	(void)channel_send(
	    channel, &done); /* the one before may be gone, or know no such message */
	close(channel);
}

static void
on_message_of_gate(struct ev_loop *loop, ev_io *io, int events)
{
	struct supervisor *self = io->data;
	struct channel_message message;

	(void)events;
	enum channel_result result = channel_receive(io->fd, &message);
	if (result == CHANNEL_NOTHING)
		return;
	if (result == CHANNEL_RECEIVED && message.type == CHANNEL_TAKE_OVER) {
		take_over(self);
		return;
	}
	close(stop_waiting(self));
	log_error("upgrade failed: the process that started this one is gone");
	self->status = EXIT_FAILURE;
	ev_break(loop, EVBREAK_ALL); /* the workers end with this process */
}

void
supervisor_upgrade_ready(struct supervisor *self)
{
	const struct channel_message message = {.type = CHANNEL_READY};

	assert(supervisor_upgrade_is_waiting(self));
	if (channel_send(self->before, &message))
		return;
	log_error("upgrade failed: the process that started this one cannot be told: %s",
	    strerror(errno));
	self->status = EXIT_FAILURE;
	ev_break(self->loop, EVBREAK_ALL);
}

void
supervisor_upgrade_init(struct supervisor *self)
{
	struct follower *follower = &self->follower;

	follower->channel = -1;
	ev_init(&follower->io, on_message_of_follower);
	ev_init(&follower->exit, on_exit_of_follower);
	ev_init(&follower->patience, on_impatience);
	follower->io.data = follower->exit.data = follower->patience.data = self;
	self->on_upgrade = upgrade_begin;
	ev_signal_init(&self->upgrade, on_upgrade, SIGUSR2);
	self->upgrade.data = self;
	ev_signal_start(self->loop, &self->upgrade);
	ev_io_init(&self->before_io, on_message_of_gate, self->before, EV_READ);
	self->before_io.data = self;
	if (supervisor_upgrade_is_waiting(self))
		ev_io_start(self->loop, &self->before_io);
}
