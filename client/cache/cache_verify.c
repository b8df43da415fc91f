/*
 * Verifying. The hard part is where a good copy is to be had without a server: in the folders where
 * products are installed, if their catalogues name a file of that digest and the file still is it.
 */
#include "cache_verify.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "cache_part.h"
#include "cache_private.h"
#include "client/common/report.h"
#include "client/common/team.h"
#include "client/release/catalogue_load.h"
#include "install.h"

struct damaged {
	char sha256[DIGEST_SHA256_SIZE];
	bool repaired;
};

/* The SHA-1 of an object that is right: its index entry is, too. */
struct entry {
	char sha1[DIGEST_SHA1_SIZE];
};

struct check {
	struct cache *cache;
	char (*names)[CACHE_NAME_SIZE]; /* of the objects */
	size_t name_count, name_capacity;
	pthread_mutex_t lock; /* of what follows: objects are read by a team */
	struct damaged *damaged;
	size_t count;
	struct entry *entries;
	size_t entry_count, entry_capacity;
	struct cache_verify_result *result;
};

static void
add_damaged(struct check *self, const char *name)
{
	struct damaged *grown = reallocarray(self->damaged, self->count + 1, sizeof *self->damaged);

	if (grown == NULL)
		abort();
	self->damaged = grown;
	struct damaged *new = &self->damaged[self->count++];
	*new = (struct damaged){.repaired = false};
	snprintf(new->sha256, sizeof new->sha256, "%s", name + 3);
}

static void
add_entry(struct check *self, const struct digest *digest)
{
	if (self->entry_count == self->entry_capacity) {
		self->entry_capacity = self->entry_capacity * 2 + 256;
		self->entries =
		    reallocarray(self->entries, self->entry_capacity, sizeof *self->entries);
		if (self->entries == NULL)
			abort();
	}
	snprintf(self->entries[self->entry_count++].sha1, DIGEST_SHA1_SIZE, "%s", digest->sha1);
}

/* Reads FD, the object NAME; its time of last use stays what it was. */
static bool
is_right(struct check *self, const char *name, int fd)
{
	struct digest digest;
	struct stat st;
	bool write_failed;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
	    !cache_digest(fd, -1, UINT64_MAX, &digest, &write_failed))
		return false;
	const struct timespec times[2] = {st.st_atim, {.tv_nsec = UTIME_OMIT}};
	(void)futimens(fd, times);
	bool right = strcmp(digest.sha256, name + 3) == 0;
	if (right)
		cache_index(self->cache, &digest);
	pthread_mutex_lock(&self->lock);
	self->result->bytes += digest.size;
	if (right)
		add_entry(self, &digest);
	pthread_mutex_unlock(&self->lock);
	return right;
}

static void
count_object(struct check *self, const char *name, bool right)
{
	pthread_mutex_lock(&self->lock);
	self->result->objects++;
	if (!right)
		add_damaged(self, name);
	pthread_mutex_unlock(&self->lock);
}

/* What may not be read, or just now cannot, is not damaged for that. */
static bool
check_object(void *arg, size_t item, struct failure *failure)
{
	struct check *self = arg;
	const char *name = self->names[item];
	int folder = self->cache->folders[CACHE_SHA256];
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && errno != ELOOP && errno != ENXIO) /* a link, a socket */
		return errno == ENOENT || cache_fail(self->cache, failure, "open", name);
	bool right = fd >= 0 && is_right(self, name, fd);
	if (fd >= 0)
		close(fd);
	if (!right) {
		report_note("%s/sha256/%s is damaged: taken away", self->cache->folder, name);
		if (!cache_take_away(folder, name))
			return cache_fail(self->cache, failure, "take away", name);
	}
	count_object(self, name, right);
	return true;
}

static bool
on_object(void *arg, const char *name, struct failure *failure)
{
	struct check *self = arg;

	(void)failure;
	if (!cache_walk_is_object_name(name, DIGEST_SHA256_SIZE - 1))
		return true;
	if (self->name_count == self->name_capacity) {
		self->name_capacity = self->name_capacity * 2 + 256;
		self->names = reallocarray(self->names, self->name_capacity, sizeof *self->names);
		if (self->names == NULL)
			abort();
	}
	snprintf(self->names[self->name_count++], CACHE_NAME_SIZE, "%s", name);
	return true;
}

/* ---- repairing ----------------------------------------------------------------------------- */

static struct damaged *
find_damaged(const struct check *self, const char *sha256)
{
	for (size_t i = 0; i < self->count; i++) {
		if (!self->damaged[i].repaired && strcmp(self->damaged[i].sha256, sha256) == 0)
			return &self->damaged[i];
	}
	return NULL;
}

/* Takes the bytes of the file NAME as a part that came whole: they are judged as one. */
static bool
take_copy(
    struct check *self, const char *name, const struct digest *wanted, struct failure *failure)
{
	bool busy, done = false;
	char *bytes = buffer_alloc(64 * 1024);
	int fd = open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct cache_part *part =
	    fd >= 0 ? cache_part_open(self->cache, wanted, name, &busy, failure) : NULL;

	if (part != NULL && cache_part_begin(part, 0, NULL, failure)) {
		ssize_t n;
		while ((n = read(fd, bytes, 64 * 1024)) > 0 &&
		       cache_part_take(part, bytes, (size_t)n, failure))
			;
		done = n == 0 && cache_part_end(part, failure);
	}
	cache_part_close(part);
	if (fd >= 0)
		close(fd);
	free(bytes);
	return done;
}

/* Looks for what is damaged in one installed folder. What cannot be read there repairs nothing. */
static void
repair_from(struct check *self, const char *folder)
{
	struct failure failure;
	char *content = install_content(folder);
	char *name = buffer_text("%s/" CATALOGUE_NAME, content);
	struct catalogue *catalogue = catalogue_load_file(name, &failure);
	free(name);
	for (size_t i = 0; catalogue != NULL && i < catalogue->file_count; i++) {
		const struct catalogue_file *file = &catalogue->files[i];
		struct damaged *damaged = find_damaged(self, file->digest.sha256);
		if (damaged == NULL)
			continue;
		name = buffer_text("%s/%s", content, file->path);
		damaged->repaired = take_copy(self, name, &file->digest, &failure);
		if (damaged->repaired) {
			add_entry(self, &file->digest);
			report_note("%s/sha256/%.2s/%s is repaired from %s", self->cache->folder,
			    damaged->sha256, damaged->sha256, name);
		}
		self->result->repaired += damaged->repaired;
		free(name);
	}
	catalogue_free(catalogue);
	free(content);
}

static void
repair(struct check *self, const char *cache)
{
	struct install_list list = {0};
	struct failure passed_over;

	(void)install_list_readable(cache, &list, &passed_over);
	for (size_t i = 0; i < list.count && self->result->repaired < self->count; i++)
		repair_from(self, list.installs[i].folder);
	install_list_fini(&list);
}

/* ---- the index ----------------------------------------------------------------------------- */

static int
compare_entry(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	return strcmp(x->sha1, y->sha1);
}

/* True when the object to which the entry SHA1 leads has that SHA-1: it came while others were
 * read. */
static bool
leads_to_object(const struct check *self, const char *sha1)
{
	char sha256[DIGEST_SHA256_SIZE], name[CACHE_NAME_SIZE];
	struct digest digest;
	bool write_failed, right = false;

	if (!cache_look_up(self->cache, sha1, sha256))
		return false;
	cache_object_name(sha256, name);
	int fd = openat(self->cache->folders[CACHE_SHA256], name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	right = cache_digest(fd, -1, UINT64_MAX, &digest, &write_failed) &&
	        strcmp(digest.sha1, sha1) == 0;
	close(fd);
	return right;
}

/* Entries of objects that were read are right by now; others lead nowhere, or astray. */
static bool
on_index(void *arg, const char *name, struct failure *failure)
{
	const struct check *self = arg;
	struct entry entry = {.sha1 = ""};

	(void)failure;
	if (!cache_walk_is_object_name(name, DIGEST_SHA1_SIZE - 1))
		return true; /* cache_gc() knows what to do with it */
	snprintf(entry.sha1, sizeof entry.sha1, "%s", name + 3);
	bool right = self->entry_count > 0 && bsearch(&entry, self->entries, self->entry_count,
	                                          sizeof entry, compare_entry) != NULL;
	if (!right && !leads_to_object(self, entry.sha1))
		(void)cache_take_away(self->cache->folders[CACHE_SHA1], name);
	return true;
}

bool
cache_verify(struct cache *self, const char *folder, struct cache_verify_result *result,
    struct failure *failure)
{
	struct check check = {.cache = self, .result = result, .lock = PTHREAD_MUTEX_INITIALIZER};

	*result = (struct cache_verify_result){0};
	bool done = cache_walk(self, CACHE_SHA256, on_object, &check, failure) &&
	            team_do(check.name_count, check_object, &check, failure);
	if (done && check.count > 0)
		repair(&check, folder);
	if (check.entry_count > 0)
		qsort(check.entries, check.entry_count, sizeof *check.entries, compare_entry);
	done = done && cache_walk(self, CACHE_SHA1, on_index, &check, failure);
	result->removed = check.count - result->repaired;
	free(check.names);
	free(check.damaged);
	free(check.entries);
	return done;
}
