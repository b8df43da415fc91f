/*
 * The loader. The hard part is that its process is a fork of the supervisor: it must end with it,
 * and may not hear of the supervisor's signals or touch its event loop.
 */
#include "loader.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "channel.h"
#include "gateway/node/log.h"

/* Requests come first, but a revocation must come through on a busy machine, too: at 5 a process
 * gets a third of what one of the workers gets. */
enum { LOADER_NICE = 5, KIB = 1024 };

struct loader {
	struct ev_loop *loop;
	const struct sandbox_user *user;
	const struct loader_events *events;
	void *arg;
	pid_t pid; /* 0: not busy */
	int channel;
	enum loading_task task;
	uint64_t number; /* of the generation being built */
	bool built;
	char reason[CHANNEL_TEXT_MAX];
	uint32_t blamed;
	uint64_t memory; /* bytes */
	ev_io io;
	ev_child exit;
};

/* It ends with its supervisor. */
static void
name_process(pid_t supervisor)
{
	(void)prctl(PR_SET_NAME, "loader");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != supervisor)
		_exit(EXIT_FAILURE);
}

static void
enter_process(struct loader *self, pid_t supervisor)
{
	static const int fatal[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT};
	sigset_t none;

	name_process(supervisor);
	for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
		signal(fatal[i], SIG_DFL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	log_set_patience(LOADING_LOG_PATIENCE);
	(void)setpriority(PRIO_PROCESS, 0, LOADER_NICE);
	ev_loop_destroy(self->loop);
}

static void
on_channel(struct ev_loop *loop, ev_io *io, int events)
{
	struct loader *self = io->data;
	struct channel_message message;

	(void)events;
	enum channel_result result = channel_receive(io->fd, &message);
	if (result == CHANNEL_NOTHING)
		return;
	ev_io_stop(loop, &self->io);
	if (result != CHANNEL_RECEIVED)
		return; /* on_exit() follows */
	memcpy(self->reason, message.text, sizeof self->reason);
	self->blamed = message.blamed;
	self->memory = (uint64_t)message.memory_kib * KIB;
	if (message.type == CHANNEL_REFUSED)
		return;
	struct generation *next = buffer_alloc(sizeof *next);
	next->number = message.generation;
	memcpy(next->files, message.fds, sizeof next->files);
	assert(next->number == self->number);
	const struct loading_result loaded = {
	    next, message.changed, message.fds[GENERATION_FILES], message.is_refused};
	self->built = self->events->on_built(self->arg, &loaded);
}

static void
on_exit_of_process(struct ev_loop *loop, ev_child *watcher, int events)
{
	struct loader *self = watcher->data;

	/* What it sent last may still be there. */
	if (ev_is_active(&self->io))
		on_channel(loop, &self->io, events);
	ev_io_stop(loop, &self->io);
	ev_child_stop(loop, &self->exit);
	close(self->channel);
	self->channel = -1;
	self->pid = 0;
	if (WIFSIGNALED(watcher->rstatus))
		log_error("the process that loads generation %llu was killed by signal %d%s",
		    (unsigned long long)self->number, WTERMSIG(watcher->rstatus),
		    self->built ? "" : ": reload refused");
	self->events->on_ended(self->arg, self->task, self->built);
}

/* The rest of the life of the process that builds the first one. */
static _Noreturn void
run_first(struct config *config, int channel)
{
	struct channel_message message = {.type = CHANNEL_ADOPT, .fd_count = GENERATION_FILES};
	struct generation *generation = loading_first(config, true);
	bool sent = false;

	if (generation != NULL) {
		message.generation = generation->number;
		memcpy(message.fds, generation->files, sizeof generation->files);
		sent = channel_send(channel, &message);
		if (!sent)
			log_error(
			    "the first generation cannot be handed over: %s", strerror(errno));
	}
	generation_free(generation);
	exit(sent ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* NULL: there is none. */
static struct generation *
receive_first(int channel)
{
	struct pollfd ready = {.fd = channel, .events = POLLIN};
	struct channel_message message;

	while (poll(&ready, 1, -1) < 0 && errno == EINTR)
		;
	if (channel_receive(channel, &message) != CHANNEL_RECEIVED)
		return NULL;
	struct generation *generation = generation_new(message.generation);
	memcpy(generation->files, message.fds, sizeof generation->files);
	return generation;
}

struct generation *
loader_first(struct config *config)
{
	pid_t supervisor = getpid();
	int ends[2], status = 0;

	if (!channel_pair(ends)) {
		log_error("no channel: %s", strerror(errno));
		return NULL;
	}
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		name_process(supervisor);
		run_first(config, ends[1]);
	}
	close(ends[1]);
	if (pid < 0)
		log_error("no process to load the first generation: %s", strerror(errno));
	struct generation *generation = pid > 0 ? receive_first(ends[0]) : NULL;
	close(ends[0]);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
		log_error("the process that loads the first generation was killed by signal %d",
		    WTERMSIG(status));
	return generation;
}

struct loader *
loader_new(struct ev_loop *loop, const struct sandbox_user *user,
    const struct loader_events *events, void *arg)
{
	struct loader *self = buffer_alloc(sizeof *self);

	*self = (struct loader){
	    .loop = loop, .user = user, .events = events, .arg = arg, .channel = -1};
	ev_init(&self->io, on_channel);
	ev_init(&self->exit, on_exit_of_process);
	self->io.data = self->exit.data = self;
	return self;
}

static void
kill_process(struct loader *self)
{
	kill(self->pid, SIGKILL);
	(void)waitpid(self->pid, NULL, 0);
	ev_io_stop(self->loop, &self->io);
	ev_child_stop(self->loop, &self->exit);
	close(self->channel);
	self->channel = -1;
	self->pid = 0;
}

bool
loader_stop(struct loader *self, enum loading_task task)
{
	if (!loader_is_busy(self) || self->task != task || self->built)
		return false;
	kill_process(self);
	return true;
}

void
loader_free(struct loader *self)
{
	if (self == NULL)
		return;
	if (loader_is_busy(self))
		kill_process(self);
	free(self);
}

const char *
loader_reason(const struct loader *self)
{
	return self->reason;
}

uint32_t
loader_blamed(const struct loader *self)
{
	return self->blamed;
}

uint64_t
loader_memory(const struct loader *self)
{
	return self->memory;
}

bool
loader_is_busy(const struct loader *self)
{
	return self->pid != 0;
}

bool
loader_start(struct loader *self, struct config *config, const struct generation *current,
    enum loading_task task)
{
	pid_t supervisor = getpid();
	int ends[2];

	assert(!loader_is_busy(self));
	self->reason[0] = '\0';
	self->blamed = 0;
	if (!channel_pair(ends)) {
		log_error("reload refused, no channel: %s", strerror(errno));
		return false;
	}
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		enter_process(self, supervisor);
		if (!sandbox_enter_loader())
			_exit(EXIT_FAILURE);
		exit(loading_run(config, current, self->user, task, ends[1]));
	}
	close(ends[1]);
	if (pid < 0) {
		log_error("reload refused, no process to load it: %s", strerror(errno));
		close(ends[0]);
		return false;
	}
	self->pid = pid;
	self->task = task;
	self->channel = ends[0];
	self->number = current->number + 1;
	self->built = false;
	ev_io_set(&self->io, self->channel, EV_READ);
	ev_io_start(self->loop, &self->io);
	ev_child_set(&self->exit, pid, 0);
	ev_child_start(self->loop, &self->exit);
	return true;
}

void
loader_forget(struct loader *self)
{
	if (self != NULL && loader_is_busy(self))
		close(self->channel);
}
