/*
 * The change. The hard part is that a cut one must be ended from what lies there: a file whose
 * bytes are the new one's is in place, whatever is staged under its number, since what it replaced
 * went there in exchange. So nothing old is lost before the new catalogue is in place, and each
 * move can be taken back.
 */
#include "fetch_change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_writer.h"
#include "client/common/report.h"
#include "fetch_config.h"
#include "fetch_file.h"
#include "fetch_steps.h"

struct changing {
	const struct fetch_change *order;
	int root;
	bool again; /* it was cut before */
	struct fetch_steps steps;
	size_t next_folder; /* staged, not used yet */
	size_t removed;
};

void
fetch_change_file_name(char name[CHANGE_NAME_MAX], size_t file)
{
	snprintf(name, CHANGE_NAME_MAX, "%zu", file);
}

void
fetch_change_folder_name(char name[CHANGE_NAME_MAX], size_t folder)
{
	snprintf(name, CHANGE_NAME_MAX, "d%zu", folder);
}

/* ---- the old version's files ----------------------------------------------------------------- */

/* True when the new version has the folder PATH. */
static bool
is_new_folder(const struct changing *self, const char *path)
{
	size_t len = strlen(path);
	const struct catalogue_file *entry = fetch_names_find(self->order->names, path, len);

	return fetch_names_has_below(self->order->names, path, len) ||
	       (entry != NULL && entry->kind == CATALOGUE_FOLDER);
}

/* Removes the folders above PATH, the deepest first, as long as they are empty and the new version
 * has nothing below them. */
static void
remove_empty_folders(struct changing *self, const char *path)
{
	char *above = buffer_strdup(path), *slash;
	bool removed = true;

	while (removed && (slash = strrchr(above, '/')) != NULL) {
		*slash = '\0';
		removed =
		    !is_new_folder(self, above) && fetch_steps_remove_folder(&self->steps, above);
	}
	free(above);
}

enum gone { GONE, IS_CHANGED, NOT_MOVED };

/* Takes FILE away if it still is as its catalogue has it. NAME is for the stage. */
static enum gone
take_away(struct changing *self, const struct catalogue_file *file, const char *name)
{
	if (file->kind == CATALOGUE_FOLDER) {
		char *inside = buffer_text("%s/.", file->path);
		remove_empty_folders(self, inside);
		free(inside);
		return GONE;
	}
	if (fetch_file_is_there(self->root, file)) {
		if (!fetch_steps_move_out(&self->steps, name, file->path))
			return NOT_MOVED;
		self->removed++;
	} else if (fetch_file_exists(self->root, file->path)) {
		return IS_CHANGED;
	}
	remove_empty_folders(self, file->path);
	return GONE;
}

/* True when the new file that has the name of the old FILE but for the case of letters is in place
 * already: where case does not count, FILE's name stands for it. */
static bool
is_followed(const struct changing *self, const struct catalogue_file *file)
{
	char name[CHANGE_NAME_MAX];
	const struct catalogue_file *new =
	    fetch_names_find(self->order->names, file->path, strlen(file->path));

	if (!self->again || new == NULL)
		return false;
	fetch_change_file_name(name, (size_t)(new - self->order->catalogue->files));
	return !fetch_steps_is_staged(&self->steps, name);
}

/* Takes away the old version's files that the new one does not name: those in the way of a new one
 * when IN_THE_WAY says so, else the others. */
static bool
remove_stale(struct changing *self, bool in_the_way, struct failure *failure)
{
	const struct fetch_change *order = self->order;

	for (size_t i = 0; order->old != NULL && i < order->old->file_count; i++) {
		const struct catalogue_file *file = &order->old->files[i];
		char name[CHANGE_NAME_MAX];
		if (catalogue_find(order->catalogue, file->path) != NULL ||
		    fetch_names_collide(order->names, file->path) != in_the_way ||
		    (in_the_way && is_followed(self, file)))
			continue;
		snprintf(name, sizeof name, "o%zu", i);
		switch (take_away(self, file, name)) {
		case GONE:
			break;
		case IS_CHANGED:
			report_note("%s/%s is left alone: %s had it, %s has not, but it was "
			            "changed",
			    order->folder, file->path, order->old->version,
			    order->catalogue->version);
			break;
		case NOT_MOVED:
			return failure_errno(failure, "remove", file->path);
		}
	}
	return true;
}

/* Takes away what a cut change had put down of another version. What the old version has under the
 * same name with the same bytes is that one's. */
static bool
remove_pending(struct changing *self, struct failure *failure)
{
	const struct fetch_change *order = self->order;
	const struct catalogue *pending = order->pending;

	for (size_t i = 0; pending != NULL && i < pending->file_count; i++) {
		const struct catalogue_file *file = &pending->files[i];
		const struct catalogue_file *old = catalogue_find(order->old, file->path);
		char name[CHANGE_NAME_MAX];
		if (catalogue_find(order->catalogue, file->path) != NULL ||
		    (old != NULL && digest_is(&old->digest, &file->digest)))
			continue;
		snprintf(name, sizeof name, "p%zu", i);
		switch (take_away(self, file, name)) {
		case GONE:
			break;
		case IS_CHANGED:
			if (old == NULL)
				report_note("%s/%s is left alone: it was changed", order->folder,
				    file->path);
			break;
		case NOT_MOVED:
			return failure_errno(failure, "remove", file->path);
		}
	}
	return true;
}

/* ---- the new version's files ----------------------------------------------------------------- */

/* Makes the folder PATH, unless it is there, of a staged one while there is one. */
static bool
make_folder(struct changing *self, const char *path)
{
	char name[CHANGE_NAME_MAX];
	bool made;

	fetch_change_folder_name(name, self->next_folder);
	bool done = fetch_steps_make_folder(&self->steps, name, path, &made);
	self->next_folder += made;
	return done;
}

static bool
make_folders_of(struct changing *self, const char *path)
{
	char *copy = buffer_strdup(path);
	bool done = true;

	for (char *slash = strchr(copy, '/'); slash != NULL && done;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		done = make_folder(self, copy);
		*slash = '/';
	}
	free(copy);
	return done;
}

/* What somebody has changed or put at WHERE, in FILE's place or beside it, is kept under another
 * name, which is told. */
static bool
keep_aside(struct changing *self, const struct catalogue_file *file, const char *where)
{
	const struct fetch_change *order = self->order;

	if (!fetch_file_exists(self->root, where) ||
	    fetch_config_is_known(self->root, file, where, order->old, order->pending))
		return true;
	const char *aside = fetch_steps_move_aside(&self->steps, where);
	if (aside != NULL)
		report_note("%s/%s was changed here, and is kept as %s beside the new one",
		    order->folder, where, aside);
	return aside != NULL;
}

/* Gives what is staged as NAME for FILE the path WHERE. */
static bool
place_at(struct changing *self, const struct catalogue_file *file, const char *name,
    const char *where, struct failure *failure)
{
	if (!make_folders_of(self, where))
		return failure_errno(failure, "make the folder of", where);
	if (!keep_aside(self, file, where))
		return failure_errno(failure, "move aside", where);
	return fetch_steps_place(&self->steps, name, where, true, failure);
}

/* The file beside one that was edited. */
static bool
place_beside(struct changing *self, const struct catalogue_file *file, const char *name,
    struct failure *failure)
{
	const struct fetch_change *order = self->order;
	char *where = buffer_text("%s" CATALOGUE_CONFIG_SUFFIX, file->path);
	bool done = (self->again && fetch_file_is_at(self->root, where, file)) ||
	            place_at(self, file, name, where, failure);

	if (done)
		report_note("%s/%s was changed here, and stays: what %s has is beside it, as %s",
		    order->folder, file->path, order->catalogue->version, where);
	if (done && order->beside != NULL) {
		buffer_append(order->beside, ",", buffer_size(order->beside) > 0);
		json_writer_string(order->beside, where);
	}
	free(where);
	return done;
}

static bool
place_file(struct changing *self, const struct catalogue_file *file, const char *name,
    struct failure *failure)
{
	const struct fetch_change *order = self->order;

	switch (fetch_config_place(self->root, file, order->before, order->pending)) {
	case FETCH_CONFIG_STAYS:
		return true;
	case FETCH_CONFIG_BESIDE:
		return place_beside(self, file, name, failure);
	case FETCH_CONFIG_IN_PLACE:
		break;
	}
	return (self->again &&
	           fetch_file_fits(self->root, file, catalogue_find(order->old, file->path))) ||
	       place_at(self, file, name, file->path, failure);
}

static bool
place_files(struct changing *self, struct failure *failure)
{
	const struct catalogue *catalogue = self->order->catalogue;

	for (size_t i = 0; i < catalogue->file_count; i++) {
		char name[CHANGE_NAME_MAX];
		fetch_change_file_name(name, i);
		if (fetch_steps_is_staged(&self->steps, name) &&
		    !place_file(self, &catalogue->files[i], name, failure))
			return false;
	}
	return true;
}

/* Nothing tells an old signature from a new one: what is staged is always the new one. */
static bool
place_signature(struct changing *self, struct failure *failure)
{
	return (self->again && !fetch_steps_is_staged(&self->steps, CATALOGUE_SIGNATURE_NAME)) ||
	       fetch_steps_place(&self->steps, CATALOGUE_SIGNATURE_NAME, CATALOGUE_SIGNATURE_NAME,
	           false, failure);
}

/* The last step: once it is made, the new version is in place, whatever the disk says then. */
static bool
place_catalogue(const struct changing *self, struct failure *failure)
{
	if (self->again && !fetch_steps_is_staged(&self->steps, CATALOGUE_NAME))
		return true;
	if (renameat(self->order->stage->folder, CATALOGUE_NAME, self->root, CATALOGUE_NAME) != 0)
		return failure_errno(failure, "write", CATALOGUE_NAME);
	if (fsync(self->root) != 0)
		report_note("warning: %s: what was installed may not outlive a power failure: %s",
		    self->order->folder, strerror(errno));
	return true;
}

/* ---- the change ---- */

static bool
make_steps(struct changing *self, struct failure *failure)
{
	return remove_pending(self, failure) && remove_stale(self, true, failure) &&
	       place_files(self, failure) && remove_stale(self, false, failure) &&
	       place_signature(self, failure) &&
	       (fetch_steps_sync(&self->steps) ||
	           failure_errno(failure, "sync", self->order->folder)) &&
	       place_catalogue(self, failure);
}

static struct changing
begin(const struct fetch_change *order, bool again)
{
	return (struct changing){.order = order,
	    .root = order->stage->root,
	    .again = again,
	    .steps = {.root = order->stage->root,
	        .stage = order->stage->folder,
	        .batch = order->stage->batch}};
}

bool
fetch_change_run(
    const struct fetch_change *self, size_t *removed, bool *keep_stage, struct failure *failure)
{
	struct changing changing = begin(self, false);
	bool done = fetch_stage_place(self->stage, CHANGE_JOURNAL, CHANGE_JOURNAL, failure) &&
	            make_steps(&changing, failure);

	*keep_stage = !done && !fetch_steps_take_back(&changing.steps);
	if (!done) {
		struct failure first = *failure;
		failure_set(failure, first.kind,
		    *keep_stage ? "%s; %s is between two versions: the next run goes on with it"
		                : "%s; %s is as it was before",
		    first.text, self->folder);
	}
	if (!*keep_stage && (done || self->pending == NULL))
		unlinkat(changing.root, CHANGE_JOURNAL, 0);
	*removed += changing.removed;
	fetch_steps_fini(&changing.steps);
	return done;
}

bool
fetch_change_end(const struct fetch_change *self, struct failure *failure)
{
	struct changing changing = begin(self, true);
	bool done = make_steps(&changing, failure);

	if (done)
		unlinkat(changing.root, CHANGE_JOURNAL, 0);
	fetch_steps_fini(&changing.steps);
	return done;
}
