/*
 * The key holder as the supervisor sees it: started, given keys and the workers' sockets, started
 * again. The hard part is that it and each worker come and go by themselves, and are always to be
 * connected.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin.h"
#include "base/clock.h"
#include "channel.h"
#include "gateway/node/log.h"
#include "key_holder.h"
#include "supervisor_private.h"

enum { END_PATIENCE = 2000 }; /* milliseconds */

/* Seconds from one start to the next, so that handshakes wait no longer than they must. */
static const ev_tstamp restart_pause = 1, restart_soon = 0.01;

/* ---- what it is told ---- */

static void
tell(struct supervisor *self, const struct channel_message *message)
{
	struct keys *keys = &self->keys;

	if (keys->pid == 0 || channel_send(keys->channel, message))
		return;
	log_error("the key holder cannot be told (%s): it is restarted", strerror(errno));
	kill(keys->pid, SIGKILL);
}

void
supervisor_keys_give(struct supervisor *self)
{
	struct channel_message message = {
	    .type = CHANNEL_KEY, .generation = self->generation->number, .fd_count = 1};

	message.fds[0] = self->generation->files[GENERATION_KEY];
	self->keys.generation = message.generation;
	tell(self, &message);
}

void
supervisor_keys_outdate(struct supervisor *self)
{
	const struct channel_message message = {.type = CHANNEL_KEY_FORGET,
	    .generation = self->keys.generation,
	    .kept = (uint32_t)self->config->timeouts.handshake + 1};

	tell(self, &message);
}

int
supervisor_keys_connect(struct supervisor *self, unsigned worker)
{
	struct channel_message message = {
	    .type = CHANNEL_KEY_ASKER, .generation = worker, .fd_count = 1};
	int ends[2];

	if (self->keys.pid == 0)
		return -1;
	if (!channel_pair(ends)) {
		log_error("worker %u cannot be connected with the key holder: %s", worker,
		    strerror(errno));
		return -1;
	}
	message.fds[0] = ends[0];
	tell(self, &message);
	close(ends[0]);
	return ends[1];
}

/* ---- life ---- */

/* The workers that run have lost the one before. */
static void
connect_workers(struct supervisor *self)
{
	for (unsigned i = 0; i < self->count; i++) {
		struct child *child = &self->children[i];
		struct channel_message message = {.type = CHANNEL_KEY_HOLDER, .fd_count = 1};
		if (child->channel < 0)
			continue;
		message.fds[0] = supervisor_keys_connect(self, i);
		if (message.fds[0] < 0 || !channel_send(child->channel, &message)) {
			log_error("worker %u cannot be told of the key holder: it is restarted", i);
			supervisor_crash_replace(child);
		}
		if (message.fds[0] >= 0)
			close(message.fds[0]);
	}
}

/* The rest of the new process's life. */
static void
run_holder(struct supervisor *self, int channel)
{
	static const int ignored[] = {SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE};
	sigset_t none;

	(void)prctl(PR_SET_NAME, "key-holder");
	signal(SIGCHLD, SIG_DFL);
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (unsigned i = 0; i < self->count; i++)
		if (self->children[i].channel >= 0)
			close(self->children[i].channel);
	loader_forget(self->loader);
	admin_forget(self->admin);
	supervisor_upgrade_forget(self);
	ev_loop_destroy(self->loop);
	sockets_close(self->sockets);
	generation_close(self->generation);
	if (self->access_log > STDERR_FILENO)
		close(self->access_log);
	const struct key_holder_options options = {.channel = channel,
	    .workers = self->count,
	    .user = &self->user,
	    .metrics = self->metrics};
	exit(key_holder_run(&options));
}

static void
start_again(struct supervisor *self, ev_tstamp pause)
{
	ev_timer_set(&self->keys.restart, pause, 0.);
	ev_timer_start(self->loop, &self->keys.restart);
}

void
supervisor_keys_start(struct supervisor *self)
{
	struct keys *keys = &self->keys;
	int ends[2];

	assert(keys->pid == 0 && keys->channel < 0);
	keys->started = clock_seconds();
	if (!channel_pair(ends)) {
		log_error("the key holder cannot be started: %s", strerror(errno));
		start_again(self, restart_pause);
		return;
	}
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		run_holder(self, ends[1]);
	}
	close(ends[1]);
	if (pid < 0) {
		log_error("the key holder cannot be started: %s", strerror(errno));
		close(ends[0]);
		start_again(self, restart_pause);
		return;
	}
	keys->pid = pid;
	keys->channel = ends[0];
	ev_child_set(&keys->exit, pid, 0);
	ev_child_start(self->loop, &keys->exit);
	supervisor_keys_give(self);
	connect_workers(self);
}

static void
on_restart(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct supervisor *self = timer->data;

	(void)loop, (void)events;
	log_warning("the key holder is started again");
	metrics_add(self->metrics, self->count, METRIC_KEY_HOLDER_RESTARTS, 1);
	supervisor_keys_start(self);
}

static void
on_exit_of_holder(struct ev_loop *loop, ev_child *watcher, int events)
{
	struct supervisor *self = watcher->data;
	struct keys *keys = &self->keys;
	bool lived = clock_seconds() - keys->started >= restart_pause;

	(void)events;
	ev_child_stop(loop, &keys->exit);
	if (WIFSIGNALED(watcher->rstatus))
		log_error("the key holder (process %d) was killed by signal %d%s", (int)keys->pid,
		    WTERMSIG(watcher->rstatus),
		    WTERMSIG(watcher->rstatus) == SIGSYS ? ": a system call that is not allowed"
		                                         : "");
	else
		log_error("the key holder (process %d) ended with status %d", (int)keys->pid,
		    WEXITSTATUS(watcher->rstatus));
	close(keys->channel);
	keys->channel = -1;
	keys->pid = 0;
	self->reaped = process_usage_of_children(); /* it has told of its own itself */
	start_again(self, lived ? restart_soon : restart_pause);
}

void
supervisor_keys_init(struct supervisor *self)
{
	struct keys *keys = &self->keys;

	keys->channel = -1;
	ev_init(&keys->exit, on_exit_of_holder);
	ev_init(&keys->restart, on_restart);
	keys->exit.data = keys->restart.data = self;
}

void
supervisor_keys_fini(struct supervisor *self)
{
	struct keys *keys = &self->keys;
	struct pollfd ended = {.fd = keys->channel, .events = POLLIN};

	if (keys->pid == 0)
		return;
	/* Not by closing it: a process that was forked meanwhile may have it, too. */
	(void)shutdown(keys->channel, SHUT_WR);
	if (poll(&ended, 1, END_PATIENCE) <= 0)
		kill(keys->pid, SIGKILL);
	(void)waitpid(keys->pid, NULL, 0);
	close(keys->channel);
	keys->pid = 0;
}

void
supervisor_keys_forget(struct supervisor *self)
{
	if (self->keys.channel >= 0)
		close(self->keys.channel);
	/* A worker has no business with the key. */
	if (self->generation->files[GENERATION_KEY] >= 0)
		close(self->generation->files[GENERATION_KEY]);
	self->generation->files[GENERATION_KEY] = -1;
}
