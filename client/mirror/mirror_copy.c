/*
 * Copying a version.
 *
 * The hard part is to tell what is in place: the same version, an earlier catalogue of it, a
 * damaged copy, or something that is not ours and stays.
 */
#include "mirror_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/common/file.h"
#include "client/fetch/download.h"
#include "client/fetch/fetch_file.h"
#include "client/release/catalogue_load.h"
#include "client/release/signed.h"

/* ---- what is in place --------------------------------------------------------------------- */

/* Reads the file NAME of VERSION's folder into CONTENT; what cannot be read is left empty. */
static void
read_in_place(const struct mirror_tree *tree, const char *base, const char *version,
    const char *name, struct buffer *content)
{
	struct failure unreadable;
	char *rest = buffer_text("%s/%s", version, name);
	char *file = mirror_tree_name(tree, base, rest);
	file_read(file, CATALOGUE_MAX_BYTES, content, &unreadable);
	free(file);
	free(rest);
}

/* The catalogue in TEXT, when it is one of that version. */
static struct catalogue *
read_catalogue(const struct buffer *text, const char *product, const char *version)
{
	char defect[CATALOGUE_DEFECT_MAX];
	struct catalogue *catalogue = catalogue_read(text, defect);

	if (catalogue != NULL && (strcmp(catalogue->product, product) != 0 ||
	                             strcmp(catalogue->version, version) != 0)) {
		catalogue_free(catalogue);
		catalogue = NULL;
	}
	return catalogue;
}

bool
mirror_copy_is_there(
    const struct mirror_tree *tree, const char *base, const char *product, const char *version)
{
	struct buffer text = {0};

	read_in_place(tree, base, version, CATALOGUE_NAME, &text);
	struct catalogue *catalogue = read_catalogue(&text, product, version);
	bool there = catalogue != NULL;
	catalogue_free(catalogue);
	buffer_fini(&text);
	return there;
}

static bool
is_file_right(int folder, const struct catalogue_file *file, bool verify)
{
	struct stat st;
	struct digest digest;

	if (file->kind != CATALOGUE_FILE)
		return fetch_file_is_there(folder, file);
	if (fstatat(folder, file->path, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size != file->digest.size)
		return false;
	if (!verify)
		return true;
	int fd = openat(folder, file->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool right = fd >= 0 && digest_of_file(fd, &digest) && digest_is(&digest, &file->digest);
	if (fd >= 0)
		close(fd);
	return right;
}

/* True when every file of CATALOGUE is in VERSION's folder. */
static bool
is_complete(const struct mirror_copy *self, const char *version, const struct catalogue *catalogue)
{
	int folder = openat(self->folder, version, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool complete = folder >= 0;

	for (size_t i = 0; i < catalogue->file_count && complete; i++)
		complete = is_file_right(folder, &catalogue->files[i], self->verify);
	if (folder >= 0)
		close(folder);
	return complete;
}

/* The copy in place is PAIR, whose text is the same as RELEASE's or whose signature is. */
static enum mirror_outcome
judge_alike(const struct mirror_copy *self, const char *version, const struct release *release,
    const struct signed_text *pair)
{
	const struct signed_text offered = {release->text, release->signature};
	struct failure bad;

	if (signed_is_same(pair, &offered))
		return is_complete(self, version, release->catalogue) ? MIRROR_KEPT
		                                                      : MIRROR_REPAIRED;
	return signed_verify(pair, self->config->release, CATALOGUE_NAME, &bad) ? MIRROR_RENEWED
	                                                                        : MIRROR_REPAIRED;
}

/* Sets *OUTCOME to what is to be done about the copy in place. */
static bool
judge_copy(const struct mirror_copy *self, const char *version, const struct release *release,
    enum mirror_outcome *outcome, struct failure *failure)
{
	struct signed_text pair = {0};
	bool done = true;

	read_in_place(self->tree, self->base, version, CATALOGUE_NAME, &pair.text);
	read_in_place(self->tree, self->base, version, CATALOGUE_SIGNATURE_NAME, &pair.signature);
	struct catalogue *old = read_catalogue(&pair.text, self->product, version);
	if (signed_is_alike(&pair, &(struct signed_text){release->text, release->signature})) {
		*outcome = judge_alike(self, version, release, &pair);
	} else if (old != NULL) {
		*outcome = MIRROR_RENEWED;
		done = catalogue_load_may_follow(old, release->catalogue, failure);
	} else {
		char *name = mirror_tree_name(self->tree, self->base, version);
		done = failure_set(failure, FAILURE_LOCAL,
		    "%s is in the way: no mirror of %s has put it there", name, self->product);
		free(name);
	}
	catalogue_free(old);
	signed_fini(&pair);
	return done;
}

static bool
judge(const struct mirror_copy *self, const char *version, const struct release *release,
    enum mirror_outcome *outcome, struct failure *failure)
{
	struct stat st;

	if (fstatat(self->folder, version, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return judge_copy(self, version, release, outcome, failure);
	*outcome = MIRROR_ADDED;
	return errno == ENOENT || failure_set(failure, FAILURE_LOCAL, "cannot look at %s%s: %s",
	                              self->base, version, strerror(errno));
}

/* ---- putting together --------------------------------------------------------------------- */

struct staging {
	const struct mirror_copy *copy;
	const struct release *release;
	int folder;
	struct download_item *items; /* what the pool does not have */
	size_t *files;               /* the place of each item in the catalogue */
	size_t count;
};

static enum cache_result
link_file(const struct staging *self, size_t i, struct failure *failure)
{
	const struct catalogue_file *file = &self->release->catalogue->files[i];
	const char *name = NULL;
	int folder = mirror_tree_stage_folder(self->folder, file->path, &name, failure);

	if (folder < 0)
		return CACHE_FAILED;
	enum cache_result result = CACHE_FAILED;
	if (file->kind == CATALOGUE_FILE)
		result = cache_link(self->copy->pool, &file->digest, folder, name, failure);
	else if (file->kind == CATALOGUE_LINK ? symlinkat(file->target, folder, name) == 0
	                                      : mkdirat(folder, name, 0755) == 0)
		result = CACHE_DONE;
	else
		failure_errno(failure, "make", file->path);
	close(folder);
	return result;
}

static bool
link_what_is_there(struct staging *self, struct failure *failure)
{
	const struct catalogue *catalogue = self->release->catalogue;

	for (size_t i = 0; i < catalogue->file_count; i++) {
		enum cache_result result = link_file(self, i, failure);
		if (result == CACHE_FAILED)
			return false;
		if (result == CACHE_DONE)
			continue;
		self->files[self->count] = i;
		self->items[self->count++] = (struct download_item){&catalogue->files[i].digest,
		    release_path(self->release, self->copy->base, &catalogue->files[i])};
	}
	return true;
}

static bool
on_ready(void *arg, size_t item, struct failure *failure)
{
	const struct staging *self = arg;
	enum cache_result result = link_file(self, self->files[item], failure);

	if (result == CACHE_ABSENT)
		failure_set(failure, FAILURE_LOCAL,
		    "%s was in the pool and is not right there any more", self->items[item].path);
	return result == CACHE_DONE;
}

static bool
download_rest(struct staging *self, struct failure *failure)
{
	char *what = buffer_text("%s %s", self->copy->product, self->release->catalogue->version);
	const struct download_order order = {
	    .cache = self->copy->pool,
	    .https = self->copy->https,
	    .what = what,
	    .items = self->items,
	    .count = self->count,
	    .ready = on_ready,
	    .arg = self,
	};
	bool done = self->count == 0 ||
	            download_all(&order, mirror_report_count(self->copy->report), failure);
	free(what);
	return done;
}

static bool
fill(struct staging *self, struct failure *failure)
{
	size_t count = self->release->catalogue->file_count;

	self->items = buffer_alloc((count + 1) * sizeof *self->items);
	self->files = buffer_alloc((count + 1) * sizeof *self->files);
	bool done =
	    link_what_is_there(self, failure) && download_rest(self, failure) &&
	    mirror_tree_stage_file(self->folder, CATALOGUE_NAME, &self->release->text, failure) &&
	    mirror_tree_stage_file(
	        self->folder, CATALOGUE_SIGNATURE_NAME, &self->release->signature, failure);
	for (size_t i = 0; i < self->count; i++)
		free(self->items[i].path);
	free(self->items);
	free(self->files);
	return done;
}

static bool
put_in_place(const struct mirror_copy *self, const char *version, const struct release *release,
    bool replaces, struct failure *failure)
{
	struct staging staging = {.copy = self, .release = release};

	staging.folder = mirror_tree_stage(self->tree, failure);
	bool done = staging.folder >= 0 && fill(&staging, failure) &&
	            mirror_tree_publish(self->tree, self->folder, version,
	                release->catalogue->file_count, replaces, failure);
	if (!done)
		mirror_tree_drop_stage(self->tree);
	return done;
}

bool
mirror_copy_version(const struct mirror_copy *self, const char *version, struct release *release,
    struct failure *failure)
{
	const struct release_order order = {
	    self->product, version, self->config->release, self->config->allow_sha1};
	enum mirror_outcome outcome = MIRROR_KEPT;

	bool done = release_get(release, &order, self->base, self->https, failure) &&
	            judge(self, version, release, &outcome, failure);
	if (done && outcome != MIRROR_KEPT)
		done = put_in_place(self, version, release, outcome != MIRROR_ADDED, failure);
	if (done)
		mirror_report_add(self->report, outcome, version);
	return done;
}
