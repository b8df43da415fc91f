/*
 * The loader. The hard part is that its process is a fork of the supervisor: it must end with it,
 * and may not hear of the supervisor's signals or touch its event loop.
 */
#include "loader.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../policy/buffer.h"
#include "catalogues.h"
#include "channel.h"
#include "log.h"

/* Requests come first, but a revocation must come through on a busy machine, too: at 5 a process
 * gets a third of what one of the workers gets. */
enum { LOADER_NICE = 5 };

/* For a reader of standard error, when a file has a thousand mistakes. */
enum { LOG_PATIENCE = 1000 }; /* milliseconds */

struct loader {
	struct ev_loop *loop;
	const struct config *config;
	const struct loader_events *events;
	void *arg;
	pid_t pid; /* 0: not busy */
	int channel;
	uint64_t number; /* of the generation being built */
	bool built;
	ev_io io;
	ev_child exit;
};

static void
log_problems(struct problems *problems)
{
	for (size_t i = 0; i < problems_count(problems); i++)
		log_error("%s", problems_text(problems, i));
}

/* Builds a generation and, when it is to be REMEMBERED, writes down its serial. */
static struct generation *
build_generation(const struct config *config, const struct generation *current, bool remembered,
    struct problems *problems)
{
	uint64_t number = current != NULL ? current->number + 1 : 1;
	struct generation *next = generation_build(config, number, current, problems);

	if (next == NULL || !remembered || generation_remember(next, config, problems))
		return next;
	generation_free(next);
	return NULL;
}

/* Logs what is in the catalogues of NEXT, and what differs from CURRENT, which may be NULL. */
static void
log_catalogues(const struct generation *current, const struct generation *next)
{
	char text[CATALOGUES_CHANGE_MAX];
	struct catalogue_image *after = generation_catalogues(next);
	struct catalogue_image *before = current != NULL ? generation_catalogues(current) : NULL;

	if (after != NULL) {
		catalogues_describe(before, after, text);
		log_info("catalogues: %s", text);
	}
	catalogue_image_free(before);
	catalogue_image_free(after);
}

struct generation *
loader_build_first(const struct config *config, bool remembered)
{
	struct problems *problems = problems_new();
	struct generation *generation = build_generation(config, NULL, remembered, problems);

	log_set_patience(LOG_PATIENCE);
	log_problems(problems);
	if (generation != NULL)
		log_catalogues(NULL, generation);
	log_set_patience(0);
	problems_free(problems);
	/* A large policy took millions of pieces, which every process forked from here would hold.
	 */
	(void)malloc_trim(0);
	return generation;
}

/* NULL after logging every problem, and all that an operator needs in one line. */
static struct generation *
build(const struct config *config, const struct generation *current, enum loader_task task)
{
	struct problems *problems = problems_new();
	struct generation *next =
	    task == LOADER_EVERYTHING
	        ? build_generation(config, current, true, problems)
	        : generation_build_catalogues(config, current->number + 1, current, problems);

	log_problems(problems);
	if (next == NULL)
		log_error("reload refused, generation %llu stays in force: %s (problem 1 of %zu)",
		    (unsigned long long)current->number, problems_text(problems, 0),
		    problems_count(problems));
	problems_free(problems);
	return next;
}

static bool
hand_over(int channel, const struct generation *next)
{
	struct channel_message message = {
	    .type = CHANNEL_ADOPT, .generation = next->number, .fd_count = GENERATION_FILES};

	memcpy(message.fds, next->files, sizeof next->files);
	return channel_send(channel, &message);
}

/* The process's life; returns its exit status. */
static int
run(const struct loader *self, const struct generation *current, enum loader_task task, int channel)
{
	char change[GENERATION_CHANGE_MAX];
	struct generation *next = build(self->config, current, task);

	if (next == NULL)
		return EXIT_FAILURE;
	bool sent = hand_over(channel, next);
	if (sent) {
		/* Only now: the workers need not wait for it. */
		if (task == LOADER_EVERYTHING) {
			generation_policy_change(current, next, self->config, change);
			log_info("policy: %s", change);
		}
		log_catalogues(current, next);
	} else {
		log_error("a generation cannot be handed over: %s", strerror(errno));
	}
	generation_free(next);
	return sent ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void
enter_process(struct loader *self, pid_t supervisor)
{
	static const int fatal[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT};
	sigset_t none;

	(void)prctl(PR_SET_NAME, "loader");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != supervisor)
		_exit(EXIT_FAILURE);
	for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
		signal(fatal[i], SIG_DFL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	log_set_patience(LOG_PATIENCE);
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
	struct generation *next = buffer_alloc(sizeof *next);
	next->number = message.generation;
	memcpy(next->files, message.fds, sizeof next->files);
	assert(next->number == self->number);
	self->built = true;
	self->events->on_built(self->arg, next);
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
	self->events->on_ended(self->arg, self->built);
}

struct loader *
loader_new(struct ev_loop *loop, const struct config *config, const struct loader_events *events,
    void *arg)
{
	struct loader *self = buffer_alloc(sizeof *self);

	*self = (struct loader){
	    .loop = loop, .config = config, .events = events, .arg = arg, .channel = -1};
	ev_init(&self->io, on_channel);
	ev_init(&self->exit, on_exit_of_process);
	self->io.data = self->exit.data = self;
	return self;
}

void
loader_free(struct loader *self)
{
	if (self == NULL)
		return;
	if (loader_is_busy(self)) {
		kill(self->pid, SIGKILL);
		(void)waitpid(self->pid, NULL, 0);
		ev_io_stop(self->loop, &self->io);
		ev_child_stop(self->loop, &self->exit);
		close(self->channel);
	}
	free(self);
}

bool
loader_is_busy(const struct loader *self)
{
	return self->pid != 0;
}

bool
loader_start(struct loader *self, const struct generation *current, enum loader_task task)
{
	pid_t supervisor = getpid();
	int ends[2];

	assert(!loader_is_busy(self));
	if (!channel_pair(ends)) {
		log_error("reload refused, no channel: %s", strerror(errno));
		return false;
	}
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		enter_process(self, supervisor);
		exit(run(self, current, task, ends[1]));
	}
	close(ends[1]);
	if (pid < 0) {
		log_error("reload refused, no process to load it: %s", strerror(errno));
		close(ends[0]);
		return false;
	}
	self->pid = pid;
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
