/*
 * A load. The hard part is a configuration that is refused: the files that the one in force names
 * are read all the same, for one of them may be a revocation.
 */
#include "loading.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
#include "process_usage.h"
#include "reload_files.h"

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
loading_first(struct config *config, bool remembered)
{
	struct problems *problems = problems_new();
	struct generation *generation = build_generation(config, NULL, remembered, problems);

	log_set_patience(LOADING_LOG_PATIENCE);
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
	struct loading_result result;
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
build(struct work *self, enum loading_task task)
{
	switch (task) {
	case LOADING_EVERYTHING:
		build_everything(self);
		break;
	case LOADING_CATALOGUES:
		build_part(self, generation_build_catalogues);
		break;
	case LOADING_STORES:
		build_part(self, generation_build_stores);
		break;
	}
}

/* Tells the supervisor what came of it. */
static bool
hand_over(int channel, const struct work *self)
{
	const struct loading_result *result = &self->result;
	struct channel_message message = {.type = CHANNEL_REFUSED,
	    .is_refused = result->is_refused,
	    .blamed = self->blamed,
	    .memory_kib = process_usage_peak_kib()};

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
follow_up(const struct work *self, enum loading_task task)
{
	char change[GENERATION_CHANGE_MAX];
	const struct generation *next = self->result.next;

	if (task == LOADING_CATALOGUES) {
		remember_catalogues(next, self->config);
		log_catalogues(self->current, next);
	}
	if (task != LOADING_EVERYTHING)
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

int
loading_run(struct config *config, const struct generation *current,
    const struct sandbox_user *user, enum loading_task task, int channel)
{
	struct work work = {
	    .before = config, .current = current, .user = user, .result = {.access_log = -1}};

	build(&work, task);
	bool built = work.result.next != NULL, sent = hand_over(channel, &work);
	if (built && sent)
		follow_up(&work, task);
	else if (built)
		log_error("a generation cannot be handed over: %s", strerror(errno));
	generation_free(work.result.next);
	config_free(work.config);
	return built && sent ? EXIT_SUCCESS : EXIT_FAILURE;
}
