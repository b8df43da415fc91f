/*
 * The supervisor. The hard part is the order of things at a reload: a loader builds and checks
 * everything, only then are the workers told, and their answers counted, whoever dies meanwhile.
 */
#include "supervisor.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../policy/buffer.h"
#include "access_log.h"
#include "catalogues.h"
#include "channel.h"
#include "loader.h"
#include "log.h"
#include "notify.h"
#include "sockets.h"
#include "worker.h"

static const ev_tstamp restart_delay = 1; /* seconds, for a worker that died young */

struct supervisor;

struct child {
	struct supervisor *supervisor;
	unsigned index;
	pid_t pid;        /* 0: not running */
	int channel;      /* -1: none */
	uint64_t adopted; /* the last generation it reported */
	bool adopting;    /* it was told of a generation and has not answered yet */
	uint32_t kept, cut;
	ev_tstamp started;
	ev_io io;
	ev_child exit;
	ev_timer restart;
};

struct supervisor {
	struct ev_loop *loop;
	const struct config *config;
	unsigned count;
	struct child *children;
	struct sockets *sockets;
	struct metrics *metrics;
	struct quota *quota;
	struct integrity_marks *marks;
	struct sandbox_user user;
	struct generation *generation;
	struct loader *loader;
	bool load_again; /* SIGHUP came during a load: files may have changed since it read them */
	uint64_t announced; /* the last generation whose line was printed */
	int access_log;
	bool draining;
	int status;
	ev_signal hangup, terminate, interrupt, quit, reopen;
	ev_timer watchdog;
	ev_timer catalogues; /* when to look whether they have changed */
};

static void start_child(struct child *child);

static int
open_access_log(const struct config *config)
{
	if (strcmp(config->access_log, "-") == 0)
		return access_log_standard_output();
	int fd =
	    open(config->access_log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	if (fd < 0)
		log_error("cannot open the access log %s: %s", config->access_log, strerror(errno));
	return fd;
}

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
	if (live < self->count || self->announced == number)
		return;
	self->announced = number;
	log_info("generation %llu live on %u/%u workers: kept %u, cut %u",
	    (unsigned long long)number, live, self->count, kept, cut);
	notify_ready();
}

static void
send_generation(struct supervisor *self, struct child *child)
{
	struct channel_message message = {.type = CHANNEL_ADOPT,
	    .generation = self->generation->number,
	    .fd_count = GENERATION_FILES};

	if (child->channel < 0 || child->adopting)
		return; /* it will start with this generation, or be told when it answers */
	memcpy(message.fds, self->generation->files, sizeof self->generation->files);
	child->adopting = channel_send(child->channel, &message);
	if (child->adopting)
		return;
	/* A worker that cannot be told must not go on with the old policy. */
	log_error("worker %u cannot be told of generation %llu (%s): it is restarted", child->index,
	    (unsigned long long)self->generation->number, strerror(errno));
	kill(child->pid, SIGKILL);
}

static void
start_load(struct supervisor *self, enum loader_task task)
{
	notify_reloading();
	if (loader_start(self->loader, self->generation, task))
		return;
	metrics_add(self->metrics, self->count, METRIC_RELOADS_REFUSED, 1);
	notify_ready();
}

static void
on_hangup(struct ev_loop *loop, ev_signal *signal, int events)
{
	struct supervisor *self = signal->data;

	(void)loop, (void)events;
	if (self->draining)
		return;
	if (loader_is_busy(self->loader))
		self->load_again = true;
	else
		start_load(self, LOADER_EVERYTHING);
}

static void
on_look_for_catalogues(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct supervisor *self = timer->data;

	(void)loop, (void)events;
	if (!self->draining && !loader_is_busy(self->loader) &&
	    generation_has_new_catalogues(self->generation, self->config))
		start_load(self, LOADER_CATALOGUES);
}

static void
count_catalogues(struct supervisor *self)
{
	struct catalogue_image *image = generation_catalogues(self->generation);

	if (image != NULL)
		catalogues_count(image, self->metrics, self->count);
	catalogue_image_free(image);
}

static void
on_built(void *arg, struct generation *next)
{
	struct supervisor *self = arg;

	generation_free(self->generation);
	self->generation = next;
	count_catalogues(self);
	metrics_add(self->metrics, self->count, METRIC_RELOADS, 1);
	for (unsigned i = 0; i < self->count; i++)
		send_generation(self, &self->children[i]);
}

static void
on_load_ended(void *arg, bool built)
{
	struct supervisor *self = arg;

	if (!built)
		metrics_add(self->metrics, self->count, METRIC_RELOADS_REFUSED, 1);
	if (self->load_again) {
		self->load_again = false;
		start_load(self, LOADER_EVERYTHING);
	} else if (!built) {
		notify_ready();
	}
}

/* ---- workers ---- */

static void
on_adopted(struct child *child, const struct channel_message *message)
{
	struct supervisor *self = child->supervisor;

	if (message->text[0] != '\0') {
		log_error("worker %u cannot adopt generation %llu (%s): it is restarted",
		    child->index, (unsigned long long)message->generation, message->text);
		kill(child->pid, SIGKILL);
		return;
	}
	child->adopting = false;
	child->adopted = message->generation;
	child->kept = message->kept;
	child->cut = message->cut;
	if (child->adopted != self->generation->number)
		send_generation(self, child);
	else
		announce_generation(self);
}

static void
on_channel(struct ev_loop *loop, ev_io *io, int events)
{
	struct child *child = io->data;
	struct channel_message message;

	(void)loop, (void)events;
	switch (channel_receive(io->fd, &message)) {
	case CHANNEL_RECEIVED:
		/* A worker may be compromised: it is believed only what harms itself. */
		for (unsigned i = 0; i < CHANNEL_MAX_FDS; i++)
			if (message.fds[i] >= 0)
				close(message.fds[i]);
		if (message.type == CHANNEL_ADOPTED &&
		    message.generation <= child->supervisor->generation->number)
			on_adopted(child, &message);
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
log_exit(const struct child *child, int status)
{
	if (WIFSIGNALED(status))
		log_error("worker %u (process %d) was killed by signal %d%s", child->index,
		    (int)child->pid, WTERMSIG(status),
		    WTERMSIG(status) == SIGSYS ? ": a system call that is not allowed" : "");
	else if (WEXITSTATUS(status) != 0)
		log_error("worker %u (process %d) failed with status %d", child->index,
		    (int)child->pid, WEXITSTATUS(status));
}

static void
on_exit_of_child(struct ev_loop *loop, ev_child *watcher, int events)
{
	struct child *child = watcher->data;
	struct supervisor *self = child->supervisor;

	(void)events;
	log_exit(child, watcher->rstatus);
	ev_child_stop(loop, &child->exit);
	ev_io_stop(loop, &child->io);
	close(child->channel);
	child->channel = -1;
	child->pid = 0;
	child->adopted = 0;
	metrics_reset_gauges(self->metrics, child->index);
	quota_forget_worker(self->quota, child->index);
	if (self->draining) {
		if (watcher->rstatus != 0)
			self->status = EXIT_FAILURE;
		for (unsigned i = 0; i < self->count; i++)
			if (self->children[i].pid != 0)
				return;
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	bool young = ev_now(loop) - child->started < restart_delay;
	ev_timer_set(&child->restart, young ? restart_delay : 0., 0.);
	ev_timer_start(loop, &child->restart);
}

static void
on_restart(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct child *child = timer->data;

	(void)loop, (void)events;
	log_warning("worker %u is started again", child->index);
	start_child(child);
}

/* The rest of the new process's life. */
static void
run_child(struct child *child, int channel)
{
	struct supervisor *self = child->supervisor;
	static const int ignored[] = {SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGPIPE};
	sigset_t none;

	signal(SIGCHLD, SIG_DFL);
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN); /* the supervisor tells us */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (unsigned i = 0; i < self->count; i++)
		if (self->children[i].channel >= 0)
			close(self->children[i].channel);
	loader_forget(self->loader);
	ev_loop_destroy(self->loop);
	sockets_keep_only(self->sockets, child->index);
	struct worker_options options = {
	    .config = self->config,
	    .index = child->index,
	    .sockets = sockets_of(self->sockets, child->index),
	    .channel = channel,
	    .access_log = self->access_log,
	    .generation = self->generation,
	    .user = &self->user,
	    .metrics = self->metrics,
	    .quota = self->quota,
	    .marks = self->marks,
	};
	exit(worker_run(&options));
}

static void
start_child(struct child *child)
{
	struct supervisor *self = child->supervisor;
	int ends[2];

	if (!channel_pair(ends)) {
		log_error("worker %u cannot be started: %s", child->index, strerror(errno));
		ev_timer_set(&child->restart, restart_delay, 0.);
		ev_timer_start(self->loop, &child->restart);
		return;
	}
	child->started = ev_now(self->loop);
	child->pid = fork();
	if (child->pid == 0) {
		close(ends[0]);
		run_child(child, ends[1]);
	}
	close(ends[1]);
	if (child->pid < 0) {
		log_error("worker %u cannot be started: %s", child->index, strerror(errno));
		close(ends[0]);
		child->pid = 0;
		ev_timer_set(&child->restart, restart_delay, 0.);
		ev_timer_start(self->loop, &child->restart);
		return;
	}
	child->channel = ends[0];
	child->adopting = true; /* it reports the generation it starts with */
	ev_io_set(&child->io, child->channel, EV_READ);
	ev_io_start(self->loop, &child->io);
	ev_child_set(&child->exit, child->pid, 0);
	ev_child_start(self->loop, &child->exit);
}

static void
init_child(struct supervisor *self, unsigned index)
{
	struct child *child = &self->children[index];

	child->supervisor = self;
	child->index = index;
	child->channel = -1;
	ev_init(&child->io, on_channel);
	ev_init(&child->exit, on_exit_of_child);
	ev_init(&child->restart, on_restart);
	child->io.data = child->exit.data = child->restart.data = child;
}

/* ---- the end ---- */

static void
kill_children(struct supervisor *self)
{
	for (unsigned i = 0; i < self->count; i++)
		if (self->children[i].pid != 0)
			kill(self->children[i].pid, SIGKILL);
}

static void
on_terminate(struct ev_loop *loop, ev_signal *signal, int events)
{
	struct supervisor *self = signal->data;
	struct channel_message message = {.type = CHANNEL_DRAIN};
	bool running = false;

	(void)events;
	if (self->draining)
		return;
	self->draining = true;
	log_info("draining");
	notify_stopping();
	loader_free(self->loader);
	self->loader = NULL;
	/* The workers close their copies when they stop accepting; these must not hold them open.
	 */
	sockets_close(self->sockets);
	self->sockets = NULL;
	for (unsigned i = 0; i < self->count; i++) {
		struct child *child = &self->children[i];
		ev_timer_stop(loop, &child->restart);
		if (child->pid == 0)
			continue;
		running = true;
		if (!channel_send(child->channel, &message))
			kill(child->pid, SIGKILL);
	}
	if (!running)
		ev_break(loop, EVBREAK_ALL);
}

static void
on_quit(struct ev_loop *loop, ev_signal *signal, int events)
{
	struct supervisor *self = signal->data;

	(void)events;
	log_info("stopping at once");
	notify_stopping();
	kill_children(self);
	for (unsigned i = 0; i < self->count; i++)
		if (self->children[i].pid != 0)
			(void)waitpid(self->children[i].pid, NULL, 0);
	ev_break(loop, EVBREAK_ALL);
}

static void
on_reopen(struct ev_loop *loop, ev_signal *signal, int events)
{
	struct supervisor *self = signal->data;
	struct channel_message message = {.type = CHANNEL_REOPEN, .fd_count = 1};
	int fd = open_access_log(self->config);

	(void)loop, (void)events;
	if (fd < 0)
		return;
	if (self->access_log > STDERR_FILENO)
		close(self->access_log);
	self->access_log = message.fds[0] = fd;
	for (unsigned i = 0; i < self->count; i++)
		if (self->children[i].channel >= 0)
			(void)channel_send(self->children[i].channel, &message);
	log_info("access log reopened");
}

static void
on_watchdog_due(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)timer, (void)events;
	notify_alive();
}

/* ---- start ---- */

static void
watch_signal(struct supervisor *self, ev_signal *watcher, int number,
    void (*fn)(struct ev_loop *loop, ev_signal *signal, int events))
{
	ev_signal_init(watcher, fn, number);
	watcher->data = self;
	ev_signal_start(self->loop, watcher);
}

static bool
set_up(struct supervisor *self, const struct config *config)
{
	self->config = config;
	self->count =
	    config->workers != 0 ? config->workers : (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	self->access_log = -1;
	if (!sandbox_find_user(config->user, &self->user))
		return false;
	sandbox_raise_file_limit();
	self->generation = loader_build_first(config, true);
	if (self->generation == NULL)
		return false;
	self->access_log = open_access_log(config);
	if (self->access_log < 0)
		return false;
	self->metrics = metrics_new(self->count);
	self->quota = quota_new(self->count);
	self->marks = integrity_marks_new();
	if (self->metrics == NULL || self->quota == NULL || self->marks == NULL) {
		log_error("no shared memory: %s", strerror(errno));
		return false;
	}
	count_catalogues(self);
	self->sockets = sockets_open(config, self->count);
	if (self->sockets == NULL)
		return false;
	self->loop = ev_default_loop(EVFLAG_NOENV);
	if (self->loop == NULL) {
		log_error("no event loop");
		return false;
	}
	static const struct loader_events loader_events = {on_built, on_load_ended};
	self->loader = loader_new(self->loop, config, &loader_events, self);
	signal(SIGPIPE, SIG_IGN);
	watch_signal(self, &self->hangup, SIGHUP, on_hangup);
	watch_signal(self, &self->terminate, SIGTERM, on_terminate);
	watch_signal(self, &self->interrupt, SIGINT, on_terminate);
	watch_signal(self, &self->quit, SIGQUIT, on_quit);
	watch_signal(self, &self->reopen, SIGUSR1, on_reopen);
	double interval = notify_watchdog_interval();
	ev_timer_init(&self->watchdog, on_watchdog_due, interval, interval);
	if (interval > 0)
		ev_timer_start(self->loop, &self->watchdog);
	interval = config->catalogues.interval;
	ev_timer_init(&self->catalogues, on_look_for_catalogues, interval, interval);
	self->catalogues.data = self;
	if (config_checks_catalogues(config))
		ev_timer_start(self->loop, &self->catalogues);
	self->children = buffer_alloc(self->count * sizeof *self->children);
	for (unsigned i = 0; i < self->count; i++)
		init_child(self, i);
	return true;
}

static void
tear_down(struct supervisor *self)
{
	loader_free(self->loader);
	sockets_close(self->sockets);
	generation_free(self->generation);
	quota_free(self->quota);
	integrity_marks_free(self->marks);
	metrics_free(self->metrics);
	free(self->children);
	if (self->loop != NULL)
		ev_loop_destroy(self->loop);
}

int
supervisor_run(const struct config *config)
{
	struct supervisor self = {.status = EXIT_FAILURE};

	if (set_up(&self, config)) {
		self.status = EXIT_SUCCESS;
		for (unsigned i = 0; i < self.count; i++)
			start_child(&self.children[i]);
		ev_run(self.loop, 0);
	}
	tear_down(&self);
	return self.status;
}
