/*
 * A changed mirrorgate.yaml. The hard part is what a running gate cannot change: sockets, processes
 * and their user were made before the first connection, so a file that wants others is left aside
 * as a whole, rather than obeyed in part.
 */
#include "configuration.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/yaml_source.h"
#include "gateway/config/config_settings.h"
#include "gateway/generation/state_file.h"
#include "gateway/node/log.h"

enum { SETTINGS_MAX = 4 * 1024 * 1024 }; /* bytes */

static const char state_file[] = "configuration";

/* What CONFIG says, the caller's. */
static char *
settings_of(const struct config *config)
{
	struct buffer text = {0};

	config_settings_print(config, &text);
	char *settings = buffer_copy(buffer_bytes(&text), buffer_size(&text));
	buffer_fini(&text);
	return settings;
}

static unsigned
compare(const struct config *before, const struct config *after, config_change_fn *fn, void *arg)
{
	char *old = settings_of(before), *new = settings_of(after);
	unsigned restarts = config_settings_compare(old, new, fn, arg);

	free(old);
	free(new);
	return restarts;
}

/* ---- at a reload ---- */

struct refusal {
	const char *file;
	struct problems *problems;
};

static void
refuse_change(const struct config_change *change, void *arg)
{
	const struct refusal *self = arg;

	if (change->needs_restart)
		problems_add(self->problems, self->file, 0,
		    "`%s` cannot change without a restart: %s -> %s", change->key, change->before,
		    change->after);
}

struct config *
configuration_take(struct config *current, struct problems *problems)
{
	struct config *next = config_load_again(current, problems);
	struct refusal refusal = {current->file, problems};

	if (next == NULL || next == current || compare(current, next, refuse_change, &refusal) == 0)
		return next;
	config_free(next);
	return NULL;
}

static void
log_change(const struct config_change *change, void *arg)
{
	(void)arg;
	log_info("configuration: %s: %s -> %s", change->key, change->before, change->after);
}

void
configuration_log_change(const struct config *before, const struct config *after)
{
	(void)compare(before, after, log_change, NULL);
}

/* ---- for --diff ---- */

/* What DIR remembers, the caller's; NULL with problems added. */
static char *
remembered_in(const char *dir, struct problems *problems)
{
	char *path = buffer_text("%s/%s", dir, state_file);
	size_t len;
	char *text = yaml_source_read_file(path, SETTINGS_MAX, &len, problems);

	free(path);
	return text;
}

static bool
is_remembered(const char *dir, const char *settings)
{
	struct problems *problems = problems_new();
	char *old = remembered_in(dir, problems);
	bool same = old != NULL && strcmp(old, settings) == 0;

	free(old);
	problems_free(problems);
	return same;
}

void
configuration_remember(const struct config *config)
{
	const char *dir = config->state_dir;

	if (dir == NULL)
		return;
	char *settings = settings_of(config);
	if (!is_remembered(dir, settings) &&
	    !state_file_write(dir, state_file, settings, strlen(settings)))
		log_error("%s/%s: cannot be written (%s): `mirrorgate --diff` does not know what "
		          "is in force",
		    dir, state_file, strerror(errno));
	free(settings);
}

static void
print_change(const struct config_change *change, void *arg)
{
	(void)arg;
	printf("%s: %s -> %s%s\n", change->key, change->before, change->after,
	    change->needs_restart ? " (needs a restart)" : "");
}

int
configuration_diff(const struct config *config)
{
	struct problems *problems = problems_new();
	char *before = NULL;

	if (config->state_dir == NULL)
		problems_add(problems, config->file, 0,
		    "--diff needs `state_dir`, where a gate that runs keeps what is in force");
	else
		before = remembered_in(config->state_dir, problems);
	for (size_t i = 0; i < problems_count(problems); i++)
		log_error("%s", problems_text(problems, i));
	problems_free(problems);
	if (before == NULL)
		return EXIT_FAILURE;
	char *after = settings_of(config);
	unsigned restarts = config_settings_compare(before, after, print_change, NULL);
	free(after);
	free(before);
	if (restarts > 0)
		log_error("%s: a reload leaves all of this aside: restart", config->file);
	return restarts == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
