/*
 * Fetching a version: licence, catalogue, files from the cache, those that it has not downloaded
 * into it, and the catalogue put down.
 *
 * The hard part is a server that shows an old catalogue, correctly signed: its version is compared
 * with the one that is in the folder.
 */
#include "fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../policy/json_writer.h"
#include "cache.h"
#include "catalogue_load.h"
#include "fetch_file.h"
#include "file.h"
#include "install.h"
#include "licence.h"
#include "progress.h"
#include "release.h"
#include "report.h"

static char *
join(const char *a, const char *b)
{
	char *text = NULL;
	if (asprintf(&text, "%s%s", a, b) < 0)
		abort();
	return text;
}

static bool
is_same_digest(const struct digest *a, const struct digest *b)
{
	return a->size == b->size && strcmp(a->sha256, b->sha256) == 0 &&
	       strcmp(a->sha1, b->sha1) == 0;
}

/* True when NEW may follow OLD: never an older version, and of the same one only with the same
 * files and no shorter life. Both are sorted. */
static bool
may_follow(const struct catalogue *old, const struct catalogue *new, struct failure *failure)
{
	int order = catalogue_compare_versions(new->version, old->version);

	if (order < 0)
		return failure_set(failure, FAILURE_CATALOGUE,
		    "the server offers version %s of %s, and %s is here already", new->version,
		    new->product, old->version);
	if (order > 0)
		return true;
	bool same = old->file_count == new->file_count &&strcmp(new->expires, old->expires) >= 0;
	for (size_t i = 0; i < new->file_count &&same; i++)
		same = strcmp(old->files[i].path, new->files[i].path) == 0 &&
		       is_same_digest(&old->files[i].digest, &new->files[i].digest);
	return same || failure_set(failure, FAILURE_CATALOGUE,
	                   "the server offers another catalogue of version %s than the one here",
	                   new->version);
}

/* Compares with the catalogue in the folder, if there is one. Its signature was checked when it was
 * put there; whoever can write to the folder needs no rollback. */
static bool
is_no_rollback(
    const struct fetch_order *order, const struct catalogue *new, struct failure *failure)
{
	char *name = join(order->folder, "/" CATALOGUE_NAME);
	struct catalogue *old = NULL;
	bool done = access(name, F_OK) != 0 && errno == ENOENT;

	if (!done)
		old = catalogue_load_file(name, failure);
	if (old != NULL) {
		done = strcmp(old->product, order->product) == 0 ||
		       failure_set(failure, FAILURE_LOCAL, "%s holds %s, not %s", order->folder,
		           old->product, order->product);
		done = done && (order->version != NULL || may_follow(old, new, failure));
	}
	catalogue_free(old);
	free(name);
	return done;
}

/* ---- files --------------------------------------------------------------------------------- */

/* The files of one fetch, and which of them are to be downloaded. */
struct fetching {
	int root;
	struct cache *cache;
	const struct catalogue *catalogue;
	struct download_item *items;
	size_t *files; /* the place of each item in the catalogue */
	size_t count;  /* of the items */
	struct fetch_result *result;
};

/* Puts down what the cache has, and notes down what it has not. */
static bool
place_files(
    struct fetching *self, const struct release *release, const char *base, struct failure *failure)
{
	const struct catalogue *catalogue = self->catalogue;

	for (size_t i = 0; i < catalogue->file_count; i++) {
		const struct catalogue_file *file = &catalogue->files[i];
		switch (fetch_file(self->root, file, self->cache, failure)) {
		case FETCH_FILE_KEPT:
			self->result->kept++;
			break;
		case FETCH_FILE_COPIED:
			break;
		case FETCH_FILE_ABSENT:
			self->files[self->count] = i;
			self->items[self->count++] = (struct download_item){
			    &file->digest, release_path(release, base, file)};
			break;
		case FETCH_FILE_FAILED:
			return false;
		}
	}
	return true;
}

static bool
on_ready(void *arg, size_t item, struct failure *failure)
{
	const struct fetching *self = arg;
	const struct catalogue_file *file = &self->catalogue->files[self->files[item]];

	switch (fetch_file(self->root, file, self->cache, failure)) {
	case FETCH_FILE_ABSENT:
		return failure_set(failure, FAILURE_LOCAL,
		    "%s was in the cache and is not right there any more", file->path);
	case FETCH_FILE_FAILED:
		return false;
	default:
		return true;
	}
}

static bool
load_files(struct fetching *self, struct https *https, struct failure *failure)
{
	char *what = NULL;
	if (asprintf(&what, "%s %s", self->catalogue->product, self->catalogue->version) < 0)
		abort();
	const struct download_order order = {.cache = self->cache,
	    .https = https,
	    .what = what,
	    .items = self->items,
	    .count = self->count,
	    .ready = on_ready,
	    .arg = self};
	bool done = download_all(&order, &self->result->loaded, failure);
	free(what);
	return done;
}

static void
tell(const struct fetching *self)
{
	const struct fetch_result *result = self->result;
	char size[PROGRESS_SIZE_MAX];

	progress_print_size(result->loaded.bytes, size);
	report_note("%s %s: %zu files, of which %zu were downloaded (%s), %zu were in the cache",
	    self->catalogue->product, self->catalogue->version, result->files, result->loaded.files,
	    size, result->files - result->kept - result->loaded.files);
}

static bool
fetch_files(struct fetching *self, const struct release *release, const char *base,
    struct https *https, struct failure *failure)
{
	size_t max = self->catalogue->file_count + 1;

	self->items = buffer_alloc(max * sizeof *self->items);
	self->files = buffer_alloc(max * sizeof *self->files);
	self->result->version = buffer_strdup(self->catalogue->version);
	self->result->files = self->catalogue->file_count;
	unlinkat(self->root, CATALOGUE_PART_NAME, 0); /* of a process that was killed */
	bool done = place_files(self, release, base, failure) && load_files(self, https, failure);
	if (done)
		tell(self);
	for (size_t i = 0; i < self->count; i++)
		free(self->items[i].path);
	free(self->items);
	free(self->files);
	return done;
}

/* ---- the whole ----------------------------------------------------------------------------- */

/* All files are there by now. A crash between the two leaves a pair that does not fit; the next
 * fetch replaces it. */
static bool
put_catalogue(
    const struct fetch_order *order, const struct release *release, struct failure *failure)
{
	char *name = join(order->folder, "/" CATALOGUE_NAME);
	char *signature_name = join(order->folder, "/" CATALOGUE_SIGNATURE_NAME);
	bool done = file_write(signature_name, &release->signature, failure) &&
	            file_write(name, &release->text, failure);

	free(signature_name);
	free(name);
	return done;
}

static bool
fetch_into(struct fetching *self, const struct fetch_order *order, struct https *https,
    struct failure *failure)
{
	const struct release_order wanted = {
	    order->product, order->version, order->config->release, order->config->allow_sha1};
	struct release release = {0};
	struct licence *licence = licence_get(https, failure);
	const char *base = NULL;

	if (licence != NULL)
		base = release_base(licence, order->product, failure);
	bool done = base != NULL && release_get(&release, &wanted, base, https, failure) &&
	            is_no_rollback(order, release.catalogue, failure);
	self->catalogue = release.catalogue;
	done = done && fetch_files(self, &release, base, https, failure) &&
	       install_remember(order->config->cache, order->folder, failure) &&
	       put_catalogue(order, &release, failure);

	release_fini(&release);
	licence_free(licence);
	return done;
}

/* The folder, made when it is not there, and ours alone until it is closed. */
static int
open_root(const char *folder, struct failure *failure)
{
	int root = -1;

	if (mkdir(folder, 0755) == 0 || errno == EEXIST)
		root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0) {
		failure_set(failure, FAILURE_LOCAL, "cannot open %s: %s", folder, strerror(errno));
	} else if (flock(root, LOCK_EX | LOCK_NB) != 0) {
		failure_set(failure, FAILURE_LOCAL, "another spot is at work in %s", folder);
		close(root);
		root = -1;
	}
	return root;
}

bool
fetch_product(const struct fetch_order *order, struct https *https, struct fetch_result *result,
    struct failure *failure)
{
	struct fetching self = {.result = result};

	if (order->config->release == NULL)
		return failure_set(failure, FAILURE_CONFIGURATION,
		    "the configuration names no `release` certificate to check catalogues with");
	if (order->version != NULL && !catalogue_is_version(order->version))
		return failure_set(failure, FAILURE_USAGE, "not a version: %s", order->version);
	self.root = open_root(order->folder, failure);
	if (self.root < 0)
		return false;
	self.cache = cache_open(order->config->cache, failure);
	bool done = self.cache != NULL && fetch_into(&self, order, https, failure);
	cache_close(self.cache);
	close(self.root);
	return done;
}

void
fetch_result_fini(struct fetch_result *result)
{
	free(result->version);
	*result = (struct fetch_result){0};
}

void
fetch_print_json(
    const struct fetch_order *order, const struct fetch_result *result, struct buffer *out)
{
	buffer_append(out, "{", 1);
	json_writer_member(out, "product", order->product);
	json_writer_member(out, "version", result->version);
	json_writer_member(out, "folder", order->folder);
	json_writer_number(out, "files", result->files);
	json_writer_number(out, "kept", result->kept);
	json_writer_number(out, "from_cache", result->files - result->kept - result->loaded.files);
	json_writer_number(out, "downloaded", result->loaded.files);
	json_writer_number(out, "downloaded_bytes", result->loaded.bytes);
	buffer_append(out, "}", 1);
}
