/*
 * Files of a fetch.
 *
 * The hard part is a process that is killed between the old version and the new one: the catalogue
 * in the folder is the old one still. So the new one is put beside it, under a name of our own,
 * before the first file is; the next fetch, whatever version it brings, knows of both.
 */
#include "fetch_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "catalogue_load.h"
#include "fetch_file.h"
#include "progress.h"
#include "report.h"

/* The catalogue of the version that is being put down. */
#define PENDING_NAME CATALOGUE_PART_NAME ".json"

struct fetching {
	const struct fetch_files *order;
	const struct catalogue *catalogue; /* the new one */
	struct https *https;
	struct fetch_result *result;
	bool *there;                 /* for each file of it: right in the folder */
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

/* Brings what neither folder nor cache has. What the cache has is read here already, or damage
 * would be noticed when the folder has been changed. */
static bool
bring(struct fetching *self, struct failure *failure)
{
	const struct catalogue *catalogue = self->catalogue;

	for (size_t i = 0; i < catalogue->file_count; i++) {
		const struct catalogue_file *file = &catalogue->files[i];
		self->there[i] = fetch_file_is_there(self->order->root, file);
		self->result->kept += self->there[i];
		if (self->there[i])
			continue;
		switch (cache_check(self->order->cache, &file->digest, failure)) {
		case CACHE_DONE:
			break;
		case CACHE_ABSENT:
			want(self, file);
			break;
		case CACHE_FAILED:
			return false;
		}
	}
	return load(self, failure);
}

/* ---- the old version's files ------------------------------------------------------------------
 */

static int
compare_path(const void *path, const void *file)
{
	return strcmp(path, ((const struct catalogue_file *)file)->path);
}

static bool
is_named(const struct catalogue *catalogue, const char *path)
{
	return catalogue->file_count > 0 && bsearch(path, catalogue->files, catalogue->file_count,
	                                        sizeof *catalogue->files, compare_path) != NULL;
}

static void
remove_stale(struct fetching *self, const struct catalogue *old)
{
	for (size_t i = 0; old != NULL && i < old->file_count; i++) {
		const struct catalogue_file *file = &old->files[i];
		if (is_named(self->catalogue, file->path))
			continue;
		if (fetch_file_remove(self->order->root, file))
			self->result->removed++;
		else
			report_note(
			    "%s/%s is left alone: %s had it, %s has not, but it was changed",
			    self->order->folder, file->path, old->version,
			    self->catalogue->version);
	}
}

/* The same for a version that a killed process was putting down. */
static bool
remove_pending(struct fetching *self, struct failure *failure)
{
	char *name = buffer_text("%s/" PENDING_NAME, self->order->folder);
	bool done = true;

	if (access(name, F_OK) == 0) {
		struct catalogue *pending = catalogue_load_file(name, failure);
		done = pending != NULL;
		remove_stale(self, pending);
		catalogue_free(pending);
	}
	free(name);
	return done;
}

/* Where the case of letters does not count, the old spelling of a name is the new one, too: what
 * was kept may be gone with it. */
static void
look_again(struct fetching *self)
{
	for (size_t i = 0; i < self->catalogue->file_count && self->result->removed > 0; i++) {
		if (!self->there[i] ||
		    fetch_file_exists(self->order->root, &self->catalogue->files[i]))
			continue;
		self->there[i] = false;
		self->result->kept--;
	}
}

/* ---- the new version's files ------------------------------------------------------------------
 */

/* Puts down what the cache has. What turns out damaged there is wanted once more, unless AGAIN. */
static bool
place(struct fetching *self, bool again, struct failure *failure)
{
	for (size_t i = 0; i < self->catalogue->file_count; i++) {
		const struct catalogue_file *file = &self->catalogue->files[i];
		if (self->there[i])
			continue;
		switch (fetch_file_put(self->order->root, file, self->order->cache, failure)) {
		case CACHE_DONE:
			self->there[i] = true;
			break;
		case CACHE_ABSENT:
			if (again)
				return failure_set(failure, FAILURE_LOCAL,
				    "the cache does not keep %s as it was downloaded", file->path);
			want(self, file);
			break;
		case CACHE_FAILED:
			return false;
		}
	}
	return true;
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

bool
fetch_files(const struct fetch_files *order, struct https *https, struct fetch_result *result,
    struct failure *failure)
{
	const struct catalogue *catalogue = order->release->catalogue;
	struct fetching self = {
	    .order = order, .catalogue = catalogue, .https = https, .result = result};

	self.items = buffer_alloc((catalogue->file_count + 1) * sizeof *self.items);
	self.there = buffer_alloc(catalogue->file_count + 1);
	result->version = buffer_strdup(catalogue->version);
	result->files = catalogue->file_count;
	fetch_file_sweep(order->root);
	bool done = bring(&self, failure) && remove_pending(&self, failure) &&
	            fetch_file_put_text(order->root, PENDING_NAME, &order->release->text, failure);
	if (done) {
		remove_stale(&self, order->old);
		look_again(&self);
	}
	done = done && place(&self, false, failure) && load(&self, failure) &&
	       place(&self, true, failure);
	if (done)
		tell(&self);
	free(self.items);
	free(self.there);
	return done;
}

void
fetch_files_settled(const struct fetch_files *order)
{
	unlinkat(order->root, PENDING_NAME, 0);
}
