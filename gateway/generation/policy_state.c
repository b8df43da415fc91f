/*
 * The file `policy-serial`. The hard part is failing closed: a file that is there but cannot be
 * read, or says anything else than what is written here, is never taken for a first start.
 */
#include "policy_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/value.h"
#include "base/yaml_source.h"
#include "state_file.h"

enum { STATE_TEXT_MAX = 256, STATE_PATH_MAX = 4096 };

static const char state_file[] = "policy-serial";

static void
print(const struct policy_state *state, char text[STATE_TEXT_MAX])
{
	(void)snprintf(
	    text, STATE_TEXT_MAX, "serial %" PRIu64 "\nsha256 %s\n", state->serial, state->digest);
}

/* Believes only a text that printing gives back. */
static bool
parse(const char *text, size_t len, struct policy_state *state)
{
	char serial[VALUE_SIZE_SIZE] = "", again[STATE_TEXT_MAX];

	if (sscanf(text, "serial %20[0-9]\nsha256 %64[0-9a-f]\n", serial, state->digest) != 2 ||
	    !value_number(serial, UINT64_MAX, &state->serial) ||
	    strlen(state->digest) != DIGEST_SHA256_SIZE - 1)
		return false;
	print(state, again);
	return strlen(again) == len && memcmp(again, text, len) == 0;
}

static bool
is_folder(const char *dir, struct problems *problems)
{
	int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0)
		problems_add(problems, dir, 0, "state_dir cannot be opened: %s", strerror(errno));
	else
		close(folder);
	return folder >= 0;
}

/* True when STATE was filled; false without a problem added: nothing is remembered. */
static bool
read_state(const char *dir, const char *path, struct policy_state *state, struct problems *problems)
{
	size_t len;

	if (!is_folder(dir, problems) || !state_file_may_exist(path))
		return false;
	char *text = yaml_source_read_file(path, STATE_TEXT_MAX - 1, &len, problems);
	if (text == NULL)
		return false;
	bool good = parse(text, len, state);
	if (!good)
		problems_add(problems, path, 0,
		    "is damaged: find out which policy serial was the last, then remove it");
	free(text);
	return good;
}

void
policy_state_check(const char *dir, const char *file, const struct policy_state *current,
    struct problems *problems)
{
	struct policy_state last;
	char path[STATE_PATH_MAX];

	(void)snprintf(path, sizeof path, "%s/%s", dir, state_file);
	if (!read_state(dir, path, &last, problems))
		return;
	if (current->serial < last.serial)
		problems_add(problems, file, 0,
		    "serial %" PRIu64 " is lower than %" PRIu64
		    ", which %s remembers: raise it, or remove that file to go back",
		    current->serial, last.serial, path);
	else if (current->serial == last.serial && strcmp(current->digest, last.digest) != 0)
		problems_add(problems, file, 0,
		    "serial %" PRIu64 " had other content, as %s remembers: raise it",
		    current->serial, path);
}

static bool
is_remembered(const char *dir, const struct policy_state *current, struct problems *problems)
{
	struct policy_state last;
	char path[STATE_PATH_MAX];

	(void)snprintf(path, sizeof path, "%s/%s", dir, state_file);
	return read_state(dir, path, &last, problems) && last.serial == current->serial &&
	       strcmp(last.digest, current->digest) == 0;
}

bool
policy_state_write(const char *dir, const struct policy_state *current, struct problems *problems)
{
	size_t before = problems_count(problems);

	if (is_remembered(dir, current, problems))
		return true;
	if (problems_count(problems) > before)
		return false;
	char text[STATE_TEXT_MAX];
	print(current, text);
	if (state_file_write(dir, state_file, text, strlen(text)))
		return true;
	problems_add(problems, dir, 0, "the policy's serial cannot be remembered there: %s",
	    strerror(errno));
	return false;
}
