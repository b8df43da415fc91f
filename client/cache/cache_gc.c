/*
 * Making room. The hard part is who is just going to use what is taken away: nobody, for this
 * process alone has the cache while it works.
 */
#include "cache_gc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache_private.h"

enum {
	PART_SECONDS = 7 * 24 * 60 * 60, /* after which nobody comes back for it */
};

#define ETAG ".etag" /* after the name of its part */

/* A file that could go: an object, "AB/...", or a part. */
struct candidate {
	char name[NAME_MAX + 1];
	int folder;
	uint64_t bytes;
	struct timespec used;
};

struct collection {
	struct cache *cache;
	struct candidate *candidates;
	size_t count, capacity;
	struct cache_gc_result *result;
};

static void
add(struct collection *self, int folder, const char *name, const struct stat *st)
{
	if (self->count == self->capacity) {
		self->capacity = self->capacity * 2 + 256;
		self->candidates =
		    reallocarray(self->candidates, self->capacity, sizeof *self->candidates);
		if (self->candidates == NULL)
			abort();
	}
	struct candidate *new = &self->candidates[self->count++];
	*new = (struct candidate){
	    .folder = folder, .bytes = (uint64_t)st->st_size, .used = st->st_atim};
	snprintf(new->name, sizeof new->name, "%s", name);
	self->result->kept++;
	self->result->kept_bytes += new->bytes;
}

static bool
on_object(void *arg, const char *name, struct failure *failure)
{
	struct collection *self = arg;
	int folder = self->cache->folders[CACHE_SHA256];
	struct stat st;

	if (!cache_walk_is_object_name(name, DIGEST_SHA256_SIZE - 1))
		return true;
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return cache_fail(self->cache, failure, "look at", name);
	if (S_ISREG(st.st_mode))
		add(self, folder, name, &st);
	return true;
}

/* Each index entry must lead somewhere; what a killed process left beside one goes, too. */
static bool
on_index(void *arg, const char *name, struct failure *failure)
{
	const struct collection *self = arg;
	int folder = self->cache->folders[CACHE_SHA1];
	struct stat st;

	(void)failure;
	if (!cache_walk_is_object_name(name, DIGEST_SHA1_SIZE - 1) ||
	    fstatat(folder, name, &st, 0) != 0)
		(void)cache_take_away(folder, name);
	return true;
}

static int
is_no_dot(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* True when NAME is the ETag of a part; PART is that part's name then. */
static bool
is_etag(const char *name, char part[NAME_MAX + 1])
{
	size_t len = strlen(name);

	snprintf(part, NAME_MAX + 1, "%s", name);
	if (len < sizeof ETAG - 1 || strcmp(name + len - (sizeof ETAG - 1), ETAG) != 0)
		return false;
	part[len - (sizeof ETAG - 1)] = '\0';
	return true;
}

/* Adds the part NAME, or takes it away when it is old, or none. */
static void
add_part(struct collection *self, const char *name)
{
	int folder = cache_parts(self->cache);
	char part[NAME_MAX + 1];
	struct stat st;

	if (is_etag(name, part))
		return; /* it goes with its part, and does not count */
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	if (!S_ISREG(st.st_mode) || time(NULL) - st.st_mtime > PART_SECONDS) {
		(void)cache_take_away(folder, name);
		return;
	}
	/* The last use of a part is when it grew. */
	st.st_atim = st.st_mtim;
	add(self, folder, name, &st);
}

static void
sweep_etag(struct collection *self, const char *name)
{
	int folder = cache_parts(self->cache);
	char part[NAME_MAX + 1];

	if (is_etag(name, part) && faccessat(folder, part, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
		(void)cache_take_away(folder, name);
}

/* Calls VISIT for all that stands in parts/. */
static bool
each_part(struct collection *self, void (*visit)(struct collection *self, const char *name),
    struct failure *failure)
{
	struct dirent **entries = NULL;
	int count = scandirat(cache_parts(self->cache), ".", &entries, is_no_dot, alphasort);

	if (count < 0)
		return cache_fail(self->cache, failure, "read", "parts");
	for (int i = 0; i < count; i++) {
		visit(self, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return true;
}

static int
compare_use(const void *a, const void *b)
{
	const struct timespec *x = &((const struct candidate *)a)->used;
	const struct timespec *y = &((const struct candidate *)b)->used;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* The longest unused first, until the rest fits. */
static bool
remove_down_to(struct collection *self, uint64_t max, struct failure *failure)
{
	struct cache_gc_result *result = self->result;

	if (self->count > 0)
		qsort(self->candidates, self->count, sizeof *self->candidates, compare_use);
	for (size_t i = 0; i < self->count && result->kept_bytes > max; i++) {
		const struct candidate *it = &self->candidates[i];
		if (unlinkat(it->folder, it->name, 0) != 0)
			return cache_fail(self->cache, failure, "take away", it->name);
		result->removed++;
		result->removed_bytes += it->bytes;
		result->kept--;
		result->kept_bytes -= it->bytes;
	}
	return true;
}

bool
cache_gc(struct cache *self, uint64_t max, struct cache_gc_result *result, struct failure *failure)
{
	struct collection all = {.cache = self, .result = result};

	*result = (struct cache_gc_result){0};
	if (!cache_lock(self, LOCK_EX, failure))
		return false;
	bool done = cache_walk(self, CACHE_SHA256, on_object, &all, failure) &&
	            each_part(&all, add_part, failure) && remove_down_to(&all, max, failure) &&
	            each_part(&all, sweep_etag, failure) &&
	            cache_walk(self, CACHE_SHA1, on_index, &all, failure);
	free(all.candidates);
	return cache_lock(self, LOCK_SH, failure) && done;
}
