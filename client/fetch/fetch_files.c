/*
 * Files of a fetch.
 *
 * The hard part is the order. Whatever may fail comes before the change: what would stand in its
 * way is found, room is asked for, everything new is loaded and staged on the same file system. The
 * change itself is in fetch_change.c.
 */
#include "fetch_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cache/install.h"
#include "client/common/file.h"
#include "client/common/progress.h"
#include "client/common/report.h"
#include "client/common/team.h"
#include "client/release/catalogue_load.h"
#include "fetch_change.h"
#include "fetch_config.h"
#include "fetch_file.h"
#include "fetch_plan.h"
#include "fetch_room.h"
#include "fetch_stage.h"
#include "hook_due.h"

struct fetching {
	const struct fetch_files *order;
	const struct catalogue *catalogue; /* the new one */
	struct https *https;
	struct fetch_result *result;
	struct catalogue *pending; /* what a killed process was putting down; NULL: nothing */
	struct fetch_names *names, *old_names, *pending_names;
	struct fetch_plan plan;
	struct fetch_stage stage;
	bool keep_stage; /* it is needed by the next run */
	bool changed;
	bool *there, *staged;        /* for each file of it: right in the folder; staged */
	bool *beside;                /* for each: to be put beside what was edited */
	struct download_item *items; /* to be downloaded */
	size_t count;
};

/* ---- downloading ----------------------------------------------------------------------------- */

static void
want(struct fetching *self, const struct catalogue_file *file)
{
	const struct fetch_files *order = self->order;

	self->items[self->count++] =
	    (struct download_item){&file->digest, release_path(order->release, order->base, file)};
}

/* Downloads what is wanted, and then wants nothing any more. */
static bool
load(struct fetching *self, struct failure *failure)
{
	char *what = buffer_text("%s %s", self->catalogue->product, self->catalogue->version);
	const struct download_order order = {.cache = self->order->cache,
	    .https = self->https,
	    .what = what,
	    .items = self->items,
	    .count = self->count};
	bool done = self->count == 0 || download_all(&order, &self->result->loaded, failure);

	for (size_t i = 0; i < self->count; i++)
		free(self->items[i].path);
	self->count = 0;
	free(what);
	return done;
}

/* False when an older version spells PATH in another way: where the case of letters does not count,
 * that is the same file, and goes. */
static bool
has_its_spelling(const struct fetching *self, const char *path)
{
	const struct catalogue_file *old = fetch_names_find(self->old_names, path, strlen(path));
	const struct catalogue_file *pending =
	    fetch_names_find(self->pending_names, path, strlen(path));

	return (old == NULL || strcmp(old->path, path) == 0) &&
	       (pending == NULL || strcmp(pending->path, path) == 0);
}

/* True when FILE is as it should be in the folder: as released, or edited when only that is due. */
static bool
look_at(struct fetching *self, const struct catalogue_file *file, bool *beside)
{
	const struct fetch_files *order = self->order;

	if (!has_its_spelling(self, file->path))
		return false;
	switch (fetch_config_place(order->root, file, order->before, self->pending)) {
	case FETCH_CONFIG_STAYS:
		return true;
	case FETCH_CONFIG_BESIDE:
		*beside = true;
		return false;
	case FETCH_CONFIG_IN_PLACE:
		break;
	}
	return fetch_file_fits(order->root, file, catalogue_find(order->old, file->path));
}

struct found {
	struct fetching *fetching;
	enum cache_result *results; /* for each file: what the cache has of it */
};

/* What the cache has is read here already, or damage would be noticed late. */
static bool
look_at_one(void *arg, size_t i, struct failure *failure)
{
	const struct found *found = arg;
	struct fetching *self = found->fetching;
	const struct catalogue_file *file = &self->catalogue->files[i];

	self->there[i] = look_at(self, file, &self->beside[i]);
	if (self->there[i] || file->kind != CATALOGUE_FILE)
		return true;
	found->results[i] = cache_check(self->order->cache, &file->digest, failure);
	return found->results[i] != CACHE_FAILED;
}

/* Has WORK done for each file of the catalogue, and wants those that the cache does not have. */
static bool
find(struct fetching *self, team_work *work, struct failure *failure)
{
	size_t count = self->catalogue->file_count;
	struct found found = {self, buffer_alloc((count + 1) * sizeof *found.results)};
	bool done = team_do(count, work, &found, failure);

	for (size_t i = 0; i < count && done; i++) {
		if (found.results[i] == CACHE_ABSENT)
			want(self, &self->catalogue->files[i]);
	}
	free(found.results);
	return done;
}

/* Finds out what neither folder nor cache has. */
static bool
look(struct fetching *self, struct failure *failure)
{
	bool done = find(self, look_at_one, failure);

	for (size_t i = 0; i < self->catalogue->file_count; i++)
		self->result->kept += self->there[i];
	return done;
}

/* ---- staging --------------------------------------------------------------------------------- */

/* A file that is replaced keeps its permissions, unless the release changed them. */
static int
mode_of(const struct fetching *self, const struct catalogue_file *file)
{
	const struct fetch_files *order = self->order;
	const struct catalogue_file *old = catalogue_find(order->old, file->path);
	int root = order->root;

	if (old == NULL) {
		old = catalogue_find(order->before, file->path);
		root = order->before_root;
	}
	if (old == NULL || old->kind != CATALOGUE_FILE || old->executable != file->executable)
		return -1;
	return fetch_file_mode(root, file->path);
}

static bool
stage_one(void *arg, size_t i, struct failure *failure)
{
	const struct found *found = arg;
	struct fetching *self = found->fetching;
	const struct catalogue_file *file = &self->catalogue->files[i];
	char name[CHANGE_NAME_MAX];

	if (self->there[i] || self->staged[i])
		return true;
	fetch_change_file_name(name, i);
	found->results[i] = fetch_stage_file(
	    &self->stage, name, file, mode_of(self, file), self->order->cache, failure);
	self->staged[i] = found->results[i] == CACHE_DONE;
	return found->results[i] != CACHE_FAILED;
}

/* Stages what the cache has. What turns out damaged there is wanted once more, unless AGAIN. */
static bool
stage_files(struct fetching *self, bool again, struct failure *failure)
{
	const struct catalogue *catalogue = self->catalogue;

	if (!find(self, stage_one, failure))
		return false;
	for (size_t i = 0; i < catalogue->file_count && again; i++) {
		if (!self->there[i] && !self->staged[i])
			return failure_set(failure, FAILURE_LOCAL,
			    "the cache does not keep %s as it was downloaded",
			    catalogue->files[i].path);
	}
	return true;
}

static bool
stage_folders(const struct fetching *self, struct failure *failure)
{
	for (size_t i = 0; i < self->plan.folder_count; i++) {
		char name[CHANGE_NAME_MAX];
		fetch_change_folder_name(name, i);
		if (!fetch_stage_folder(&self->stage, name, failure))
			return false;
	}
	return true;
}

/* Everything new, on the disk. */
static bool
stage(struct fetching *self, struct failure *failure)
{
	const struct release *release = self->order->release;
	size_t count = self->catalogue->file_count - self->result->kept;

	return fetch_stage_begin(
	           &self->stage, self->order->root, self->order->rights, count, failure) &&
	       stage_files(self, false, failure) && load(self, failure) &&
	       stage_files(self, true, failure) && stage_folders(self, failure) &&
	       fetch_stage_text(&self->stage, CHANGE_JOURNAL, &release->text, failure) &&
	       fetch_stage_text(
	           &self->stage, CATALOGUE_SIGNATURE_NAME, &release->signature, failure) &&
	       fetch_stage_text(&self->stage, CATALOGUE_NAME, &release->text, failure) &&
	       fetch_stage_sync(&self->stage, failure);
}

/* What vanished from the cache after it had come was downloaded twice. */
size_t
fetch_files_cached(const struct fetch_result *result)
{
	size_t here = result->files - result->kept;

	return here > result->loaded.files ? here - result->loaded.files : 0;
}

static void
tell(const struct fetching *self)
{
	const struct fetch_result *result = self->result;
	char size[PROGRESS_SIZE_MAX];

	progress_print_size(result->loaded.bytes, size);
	report_note("%s %s: %zu files, of which %zu were downloaded (%s), %zu were in the cache",
	    self->catalogue->product, self->catalogue->version, result->files, result->loaded.files,
	    size, fetch_files_cached(result));
}

static bool
load_pending(struct fetching *self, struct failure *failure)
{
	char *name = buffer_text("%s/" CHANGE_JOURNAL, self->order->folder);
	bool done = true;

	if (access(name, F_OK) == 0) {
		self->pending = catalogue_load_file(name, failure);
		done = self->pending != NULL;
	}
	free(name);
	self->pending_names = fetch_names_new(self->pending);
	return done;
}

static bool
plan(struct fetching *self, struct failure *failure)
{
	self->plan = (struct fetch_plan){.root = self->order->root,
	    .folder = self->order->folder,
	    .catalogue = self->catalogue,
	    .there = self->there,
	    .beside = self->beside,
	    .old = self->old_names,
	    .pending = self->pending_names,
	    .on_obstacle = self->order->outlook != NULL ? fetch_outlook_add_obstacle : NULL,
	    .arg = self->order->outlook};
	return fetch_plan_make(&self->plan, failure);
}

static struct fetch_room
room_of(const struct fetching *self)
{
	return (struct fetch_room){.root = self->order->root,
	    .folder = self->order->folder,
	    .cache_folder = self->order->cache_folder,
	    .cache = self->order->cache,
	    .release = self->order->release,
	    .there = self->there,
	    .items = self->items,
	    .item_count = self->count,
	    .folder_count = self->plan.folder_count};
}

/* True when all is there, under this catalogue: then nothing is written, as a folder may be
 * mounted read-only. */
static bool
is_complete(const struct fetching *self)
{
	const struct fetch_files *order = self->order;

	return self->pending == NULL && self->result->kept == self->result->files &&
	       file_holds(order->folder, CATALOGUE_NAME, &order->release->text) &&
	       file_holds(order->folder, CATALOGUE_SIGNATURE_NAME, &order->release->signature);
}

/* Adds to FAILURE that nothing was changed. */
static bool
is_unchanged(const struct fetching *self, struct failure *failure)
{
	struct failure first = *failure;

	return failure_set(
	    failure, first.kind, "%s; %s is as it was before", first.text, self->order->folder);
}

/* All that comes before the change. */
static bool
prepare(struct fetching *self, struct failure *failure)
{
	const struct fetch_room room = room_of(self);

	if (!fetch_room_check(&room, failure))
		return is_unchanged(self, failure);
	if (!load(self, failure))
		return false;
	return stage(self, failure) || is_unchanged(self, failure);
}

static bool
change(struct fetching *self, struct failure *failure)
{
	const struct fetch_change change = {.stage = &self->stage,
	    .folder = self->order->folder,
	    .old = self->order->old,
	    .before = self->order->before,
	    .pending = self->pending,
	    .catalogue = self->catalogue,
	    .names = self->names,
	    .beside = &self->result->beside};

	return fetch_change_run(&change, &self->result->removed, &self->keep_stage, failure);
}

static struct hooks_event
event_of(const struct fetching *self)
{
	const struct fetch_files *order = self->order;

	return (struct hooks_event){.product = self->catalogue->product,
	    .old_version = order->old != NULL ? order->old->version : NULL,
	    .new_version = self->catalogue->version,
	    .folder = order->record};
}

static bool
run_before(const struct fetching *self, struct failure *failure)
{
	const struct hooks_event event = event_of(self);

	return self->order->hooks == NULL ||
	       (hooks_run_before(self->order->hooks, &event, failure) &&
	           (hook_due_note(self->order->hooks, &event, failure) ||
	               is_unchanged(self, failure)));
}

static bool
run_after(const struct fetching *self, struct failure *failure)
{
	const struct hooks_event event = event_of(self);

	return self->order->hooks == NULL || !self->changed ||
	       hook_due_run(self->order->hooks, &event, false, failure);
}

static bool
bring(struct fetching *self, struct failure *failure)
{
	const struct fetch_files *order = self->order;

	if (!load_pending(self, failure) || !look(self, failure) || !plan(self, failure))
		return false;
	bool complete = is_complete(self);
	if (!complete && !(prepare(self, failure) && run_before(self, failure)))
		return false;
	if (!install_remember(order->cache_folder, order->record, failure))
		return false;
	self->changed = !complete && change(self, failure);
	return complete || self->changed;
}

static bool
bring_and_tell(struct fetching *self, struct failure *failure)
{
	fetch_stage_sweep(self->order->root);
	bool done = bring(self, failure);
	if (done)
		tell(self);
	if (!self->keep_stage)
		fetch_stage_end(&self->stage);
	if (!done && self->order->hooks != NULL)
		hook_due_forget(self->order->record);
	return done && run_after(self, failure);
}

/* ---- only looking ---------------------------------------------------------------------------- */

static bool
look_at_room(const struct fetching *self, struct fetch_outlook *outlook, struct failure *failure)
{
	struct fetch_room room = room_of(self);
	struct failure obstacle;

	room.root = outlook->disk;
	if (!fetch_room_measure(&room, &outlook->room, failure))
		return false;
	fetch_outlook_keep_room(outlook);
	outlook->loaded = outlook->room.load;
	if (!outlook->complete && !fetch_room_judge(&room, &outlook->room, &obstacle))
		fetch_outlook_add_obstacle(outlook, &obstacle);
	return true;
}

/* All that comes before the first change of anything. */
static bool
foresee(struct fetching *self, struct fetch_outlook *outlook, struct failure *failure)
{
	if (!load_pending(self, failure) || !look(self, failure) || !plan(self, failure))
		return false;
	outlook->to = buffer_strdup(self->catalogue->version);
	outlook->cut = self->pending != NULL ? buffer_strdup(self->pending->version) : NULL;
	outlook->complete = is_complete(self);
	if (!outlook->complete)
		fetch_outlook_look_at_rights(outlook, self->order->folder);
	if (!look_at_room(self, outlook, failure))
		return false;
	const struct fetch_view view = {
	    self->order->root, self->catalogue, self->order->old, self->pending, self->there};
	fetch_outlook_count(outlook, &view);
	return true;
}

/* ---------------------------------------------------------------------------------------------- */

static void
fini(struct fetching *self)
{
	if (self->keep_stage)
		close(self->stage.folder);
	for (size_t i = 0; i < self->count; i++)
		free(self->items[i].path);
	fetch_plan_fini(&self->plan);
	fetch_names_free(self->names);
	fetch_names_free(self->old_names);
	fetch_names_free(self->pending_names);
	catalogue_free(self->pending);
	free(self->items);
	free(self->there);
	free(self->staged);
	free(self->beside);
}

bool
fetch_files(const struct fetch_files *order, struct https *https, struct fetch_result *result,
    struct failure *failure)
{
	const struct catalogue *catalogue = order->release->catalogue;
	struct fetching self = {.order = order,
	    .catalogue = catalogue,
	    .https = https,
	    .result = result,
	    .stage = {order->root, -1, order->rights, false}};

	self.items = buffer_alloc((catalogue->file_count + 1) * sizeof *self.items);
	self.there = buffer_alloc(catalogue->file_count + 1);
	self.staged = buffer_alloc(catalogue->file_count + 1);
	self.beside = buffer_alloc(catalogue->file_count + 1);
	self.names = fetch_names_new(catalogue);
	self.old_names = fetch_names_new(order->old);
	result->version = buffer_strdup(catalogue->version);
	result->files = catalogue->file_count;
	bool done = false;
	if (order->outlook != NULL)
		done = foresee(&self, order->outlook, failure);
	else
		done = bring_and_tell(&self, failure);
	fini(&self);
	return done;
}
