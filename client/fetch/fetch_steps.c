/*
 * Steps. The hard part is that the way back must need no room and no second thought: each step is
 * one move, and notes what the opposite one needs.
 */
#include "fetch_steps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "client/common/disk.h"
#include "fetch_file.h"

enum step_kind { STEP_PLACED, STEP_EXCHANGED, STEP_MOVED_OUT, STEP_ASIDE, STEP_MADE, STEP_REMOVED };

/* One move that was made. */
struct fetch_step {
	enum step_kind kind;
	mode_t mode;                     /* of a folder that was removed */
	char name[FETCH_STEPS_NAME_MAX]; /* in the stage */
	char *path;
	char *aside; /* the last segment that it has now; NULL but for STEP_ASIDE */
};

static struct fetch_step *
note(struct fetch_steps *self, enum step_kind kind, const char *name, const char *path)
{
	if (self->count == self->capacity) {
		self->capacity = self->capacity * 2 + 64;
		self->steps = reallocarray(self->steps, self->capacity, sizeof *self->steps);
		if (self->steps == NULL)
			abort();
	}
	struct fetch_step *step = &self->steps[self->count++];
	*step = (struct fetch_step){.kind = kind, .path = buffer_strdup(path)};
	snprintf(step->name, sizeof step->name, "%s", name);
	return step;
}

static void
free_step(struct fetch_step *step)
{
	free(step->path);
	free(step->aside);
}

bool
fetch_steps_is_staged(const struct fetch_steps *self, const char *name)
{
	return faccessat(self->stage, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Ends a step in FOLDER, which was DONE. */
static bool
close_synced(const struct fetch_steps *self, int folder, bool done)
{
	done = done && (self->batch || fsync(folder) == 0);
	int saved = errno;
	if (folder >= 0)
		close(folder);
	errno = saved;
	return done;
}

bool
fetch_steps_move_out(struct fetch_steps *self, const char *name, const char *path)
{
	const char *last;
	int folder = fetch_file_open_folder(self->root, path, &last);
	bool done = folder >= 0 && renameat(folder, last, self->stage, name) == 0;

	if (done)
		note(self, STEP_MOVED_OUT, name, path);
	return close_synced(self, folder, done);
}

bool
fetch_steps_place(struct fetch_steps *self, const char *name, const char *path, bool exchange,
    struct failure *failure)
{
	const char *last;
	int folder = fetch_file_open_folder(self->root, path, &last);
	enum step_kind kind = STEP_EXCHANGED;
	bool done = folder >= 0 && exchange &&
	            renameat2(self->stage, name, folder, last, RENAME_EXCHANGE) == 0;

	if (!done && folder >= 0 && exchange && errno == ENOENT) {
		kind = STEP_PLACED;
		done = renameat2(self->stage, name, folder, last, RENAME_NOREPLACE) == 0;
	}
	if (!done && folder >= 0) {
		char aside[FETCH_STEPS_NAME_MAX];
		snprintf(aside, sizeof aside, "x%s", name);
		bool clear = fetch_steps_move_out(self, aside, path) || errno == ENOENT;
		kind = STEP_PLACED;
		done = clear && renameat(self->stage, name, folder, last) == 0;
	}
	if (done)
		note(self, kind, name, path);
	if (!close_synced(self, folder, done))
		return failure_errno(failure, "write", path);
	return true;
}

/* Gives LAST in FOLDER another name, which nothing has; NULL with errno set when it cannot. */
static char *
rename_aside(int folder, const char *last)
{
	for (unsigned n = 0;; n++) {
		char *aside = fetch_file_name_aside(last, n);
		if (renameat2(folder, last, folder, aside, RENAME_NOREPLACE) == 0)
			return aside;
		bool taken = errno == EEXIST || (errno == EINVAL && faccessat(folder, aside, F_OK,
		                                                        AT_SYMLINK_NOFOLLOW) == 0);
		if (!taken && errno == EINVAL && renameat(folder, last, folder, aside) == 0)
			return aside;
		free(aside);
		if (!taken)
			return NULL;
	}
}

const char *
fetch_steps_move_aside(struct fetch_steps *self, const char *path)
{
	const char *last;
	int folder = fetch_file_open_folder(self->root, path, &last);
	char *aside = folder >= 0 ? rename_aside(folder, last) : NULL;

	if (aside != NULL)
		note(self, STEP_ASIDE, "", path)->aside = aside;
	return close_synced(self, folder, aside != NULL) ? aside : NULL;
}

bool
fetch_steps_make_folder(struct fetch_steps *self, const char *name, const char *path, bool *made)
{
	const char *last;
	int folder = fetch_file_open_folder(self->root, path, &last);

	*made = folder >= 0 && faccessat(folder, last, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
	if (!*made)
		return close_synced(self, folder, folder >= 0);
	bool done = renameat(self->stage, name, folder, last) == 0 ||
	            (errno == ENOENT && mkdirat(folder, last, 0755) == 0);
	if (done)
		note(self, STEP_MADE, "", path);
	return close_synced(self, folder, done);
}

bool
fetch_steps_remove_folder(struct fetch_steps *self, const char *path)
{
	const char *name;
	struct stat st;
	int folder = fetch_file_open_folder(self->root, path, &name);
	bool removed = folder >= 0 && fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	               unlinkat(folder, name, AT_REMOVEDIR) == 0;

	if (removed)
		note(self, STEP_REMOVED, "", path)->mode = st.st_mode & 07777;
	if (folder >= 0)
		close(folder);
	return removed;
}

static bool
take_back_step(const struct fetch_steps *self, const struct fetch_step *step)
{
	const char *last;
	int folder = fetch_file_open_folder(self->root, step->path, &last);
	bool done = false;

	if (folder < 0)
		return false;
	switch (step->kind) {
	case STEP_PLACED:
		done = renameat(folder, last, self->stage, step->name) == 0;
		break;
	case STEP_EXCHANGED:
		done = renameat2(self->stage, step->name, folder, last, RENAME_EXCHANGE) == 0;
		break;
	case STEP_MOVED_OUT:
		done = renameat(self->stage, step->name, folder, last) == 0;
		break;
	case STEP_ASIDE:
		done = renameat(folder, step->aside, folder, last) == 0;
		break;
	case STEP_MADE:
		done = unlinkat(folder, last, AT_REMOVEDIR) == 0;
		break;
	case STEP_REMOVED:
		done = mkdirat(folder, last, step->mode) == 0 &&
		       fchmodat(folder, last, step->mode, 0) == 0;
		break;
	}
	return close_synced(self, folder, done);
}

bool
fetch_steps_sync(const struct fetch_steps *self)
{
	return !self->batch || disk_sync(self->stage);
}

bool
fetch_steps_take_back(struct fetch_steps *self)
{
	while (self->count > 0 && take_back_step(self, &self->steps[self->count - 1]))
		free_step(&self->steps[--self->count]);
	return self->count == 0 && fetch_steps_sync(self);
}

void
fetch_steps_fini(struct fetch_steps *self)
{
	for (size_t i = 0; i < self->count; i++)
		free_step(&self->steps[i]);
	free(self->steps);
	*self = (struct fetch_steps){-1, -1, false, NULL, 0, 0};
}
