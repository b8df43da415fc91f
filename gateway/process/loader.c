/*
 * The loader. The hard part is that its process is a fork of the supervisor: it must end with it,
 * and may not hear of the supervisor's signals or touch its event loop.
 */
#include "loader.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "channel.h"
#include "configuration.h"
#include "gateway/generation/catalogues.h"
#include "gateway/generation/generation_build.h"
#include "gateway/generation/generation_catalogues.h"
#include "gateway/generation/generation_policy.h"
#include "gateway/generation/generation_remember.h"
#include "gateway/node/log.h"
#include "log_file.h"
#include "reload_files.h"

/* Requests come first, but a revocation must come through on a busy machine, too: at 5 a process
 * gets a third of what one of the workers gets. */
enum { LOADER_NICE = 5 };

/* For a reader of standard error, when a file has a thousand mistakes. */
enum { LOG_PATIENCE = 1000 }; /* milliseconds */

struct loader {
	struct ev_loop *loop;
	const struct sandbox_user *user;
	const struct loader_events *events;
	void *arg;
	pid_t pid; /* 0: not busy */
	int channel;
	enum loader_task task;
	uint64_t number; /* of the generation being built */
	bool built;
	char reason[CHANNEL_TEXT_MAX];
	uint32_t blamed;
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
build_generation(struct config *config, const struct generation *current, bool remembered,
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

/* A catalogue that is good goes live even when that cannot be remembered. */
static void
remember_catalogues(const struct generation *next, const struct config *config)
{
	struct problems *problems = problems_new();

	if (!generation_remember_catalogues(next, config, problems))
		log_problems(problems);
	problems_free(problems);
}

static void
warn_of_policy(const struct generation *generation, const struct config *config)
{
	char text[GENERATION_CHANGE_MAX];
	struct buffer issuer = {0};

	if (generation_policy_warning(generation, config, text))
		log_warning("policy: %s", text);
	if (generation_policy_issuer_warning(generation, config, &issuer))
		log_warning("policy: %.*s", (int)buffer_size(&issuer), buffer_bytes(&issuer));
	buffer_fini(&issuer);
}

struct generation *
loader_build_first(struct config *config, bool remembered)
{
	struct problems *problems = problems_new();
	struct generation *generation = build_generation(config, NULL, remembered, problems);

	log_set_patience(LOG_PATIENCE);
	log_problems(problems);
	if (generation != NULL) {
		warn_of_policy(generation, config);
		log_catalogues(NULL, generation);
		if (remembered) {
			remember_catalogues(generation, config);
			configuration_remember(config);
		}
	}
	log_set_patience(0);
	problems_free(problems);
	/* A large policy took millions of pieces, which every process forked from here would hold.
	 */
	(void)malloc_trim(0);
	return generation;
}

/* What is being built, in the process that does. */
struct work {
	struct config *before; /* of CURRENT */
	const struct generation *current;
	const struct sandbox_user *user;
	struct config *config; /* what the generation goes by; a reference */
	struct loader_result result;
	char reason[CHANNEL_TEXT_MAX]; /* the first problem of what was refused last */
	uint32_t blamed;               /* what it is about */
};

static void
log_problems_of(struct work *self, struct problems *problems)
{
	log_problems(problems);
	(void)snprintf(self->reason, sizeof self->reason, "%s", problems_text(problems, 0));
	self->blamed =
	    reload_files_blamed(self->reason, self->config != NULL ? self->config : self->before);
}

/* Logs every problem, and all that an operator needs in one line. */
static void
log_refusal(struct work *self, struct problems *problems)
{
	log_problems_of(self, problems);
	log_error("reload refused, generation %llu stays in force: %s (problem 1 of %zu)",
	    (unsigned long long)self->current->number, problems_text(problems, 0),
	    problems_count(problems));
}

/* The same for a configuration that another may be built without. */
static void
log_configuration_refusal(struct work *self, struct problems *problems)
{
	log_problems_of(self, problems);
	log_error("configuration refused, the one in force stays: %s (problem 1 of %zu)",
	    problems_text(problems, 0), problems_count(problems));
}

static bool
is_same_path(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Opens the access log when it is another one. False with a problem added. */
static bool
take_access_log(struct work *self, struct problems *problems)
{
	if (is_same_path(self->before->access_log, self->config->access_log))
		return true;
	self->result.access_log = log_file_open(self->config, self->user);
	if (self->result.access_log < 0)
		problems_add(problems, self->config->file, 0, "`log.access` cannot be opened");
	return self->result.access_log >= 0;
}

/* Gives up what was taken with a configuration that is refused. */
static void
keep_configuration(struct work *self)
{
	if (self->result.access_log > STDERR_FILENO)
		close(self->result.access_log);
	self->result.access_log = -1;
	config_free(self->config);
	self->config = config_ref(self->before);
	self->result.is_refused = true;
}

/* Builds by what mirrorgate.yaml says now. False, with every problem logged, when that is refused,
 * and everything with it. */
static bool
build_by_new_configuration(struct work *self)
{
	struct problems *problems = problems_new();

	self->config = configuration_take(self->before, problems);
	if (self->config != NULL && take_access_log(self, problems))
		self->result.next = build_generation(self->config, self->current, true, problems);
	bool is_new = self->config != self->before;
	if (self->result.next == NULL && is_new)
		log_configuration_refusal(self, problems);
	else if (self->result.next == NULL)
		log_refusal(self, problems);
	problems_free(problems);
	return self->result.next != NULL || !is_new;
}

static void
build_by_old_configuration(struct work *self)
{
	struct problems *problems = problems_new();

	keep_configuration(self);
	self->result.next = build_generation(self->config, self->current, true, problems);
	if (self->result.next == NULL)
		log_refusal(self, problems);
	else
		log_warning("the files that the configuration in force names are read again; that "
		            "configuration itself stays");
	problems_free(problems);
}

typedef struct generation *build_fn(const struct config *config, uint64_t number,
    const struct generation *previous, struct problems *problems);

/* Builds by FN what does not change the configuration; nothing, when there is nothing to build. */
static void
build_part(struct work *self, build_fn *fn)
{
	struct problems *problems = problems_new();

	self->config = config_ref(self->before);
	self->result.next = fn(self->config, self->current->number + 1, self->current, problems);
	if (problems_count(problems) > 0)
		log_refusal(self, problems);
	problems_free(problems);
}

static void
build_everything(struct work *self)
{
	if (!build_by_new_configuration(self))
		build_by_old_configuration(self);
}

static void
build(struct work *self, enum loader_task task)
{
	switch (task) {
	case LOADER_EVERYTHING:
		build_everything(self);
		break;
	case LOADER_CATALOGUES:
		build_part(self, generation_build_catalogues);
		break;
	case LOADER_STORES:
		build_part(self, generation_build_stores);
		break;
	}
}

/* Tells the supervisor what came of it. */
static bool
hand_over(int channel, const struct work *self)
{
	const struct loader_result *result = &self->result;
	struct channel_message message = {
	    .type = CHANNEL_REFUSED, .is_refused = result->is_refused, .blamed = self->blamed};

	memcpy(message.text, self->reason, sizeof message.text);
	if (result->next != NULL) {
		message.type = CHANNEL_ADOPT;
		message.generation = result->next->number;
		message.changed = reload_files_changed(self->current, result->next) |
		                  (uint32_t)(self->config != self->before)
		                      << RELOAD_FILE_CONFIGURATION;
		message.fd_count = GENERATION_FILES + 1;
		memcpy(message.fds, result->next->files, sizeof result->next->files);
		message.fds[GENERATION_FILES] = result->access_log;
	}
	return channel_send(channel, &message);
}

/* What is said and written down of a generation that is live: the workers need not wait for it. */
static void
follow_up(const struct work *self, enum loader_task task)
{
	char change[GENERATION_CHANGE_MAX];
	const struct generation *next = self->result.next;

	if (task == LOADER_CATALOGUES) {
		remember_catalogues(next, self->config);
		log_catalogues(self->current, next);
	}
	if (task != LOADER_EVERYTHING)
		return;
	generation_policy_change(self->current, next, self->config, change);
	log_info("policy: %s", change);
	warn_of_policy(next, self->config);
	if (self->config == self->before)
		return;
	configuration_log_change(self->before, self->config);
	configuration_remember(self->config);
	remember_catalogues(next, self->config);
	if (!generation_catalogues_may_stay(self->before, self->config))
		log_catalogues(self->current, next);
}

/* The process's life; returns its exit status. */
static int
run(struct work *self, enum loader_task task, int channel)
{
	build(self, task);
	bool built = self->result.next != NULL, sent = hand_over(channel, self);
	if (built && sent)
		follow_up(self, task);
	else if (built)
		log_error("a generation cannot be handed over: %s", strerror(errno));
	generation_free(self->result.next);
	config_free(self->config);
	return built && sent ? EXIT_SUCCESS : EXIT_FAILURE;
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
	signal(SIGUSR2, SIG_IGN);
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
	memcpy(self->reason, message.text, sizeof self->reason);
	self->blamed = message.blamed;
	if (message.type == CHANNEL_REFUSED)
		return;
	struct generation *next = buffer_alloc(sizeof *next);
	next->number = message.generation;
	memcpy(next->files, message.fds, sizeof next->files);
	assert(next->number == self->number);
	const struct loader_result loaded = {
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
loader_stop(struct loader *self, enum loader_task task)
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

bool
loader_is_busy(const struct loader *self)
{
	return self->pid != 0;
}

bool
loader_start(struct loader *self, struct config *config, const struct generation *current,
    enum loader_task task)
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
		struct work work = {.before = config,
		    .current = current,
		    .user = self->user,
		    .result = {.access_log = -1}};
		exit(run(&work, task, ends[1]));
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
