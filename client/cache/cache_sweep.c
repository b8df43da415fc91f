/* Sweeping a pool. The one hard part is to be sure that an object is not needed: its number of
 * names says so, and while it is looked at nobody else may be giving it one. */
#include "cache_sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache_private.h"

struct sweep {
	struct cache *cache;
	time_t before;
};

/* Removes NAME in FOLDER unless it is new or has another name. */
static bool
sweep_file(const struct sweep *self, int folder, const char *name, struct failure *failure)
{
	struct stat st;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT || cache_fail(self->cache, failure, "look at", name);
	return !S_ISREG(st.st_mode) || st.st_nlink > 1 || st.st_ctime > self->before ||
	       unlinkat(folder, name, 0) == 0 ||
	       cache_fail(self->cache, failure, "take away", name);
}

static bool
on_object(void *arg, const char *name, struct failure *failure)
{
	const struct sweep *self = arg;

	return !cache_walk_is_object_name(name, DIGEST_SHA256_SIZE - 1) ||
	       sweep_file(self, self->cache->folders[CACHE_SHA256], name, failure);
}

/* A link that leads nowhere only costs a look: it goes if it can. */
static bool
on_index(void *arg, const char *name, struct failure *failure)
{
	const struct sweep *self = arg;
	int folder = self->cache->folders[CACHE_SHA1];
	struct stat st;

	(void)failure;
	if (fstatat(folder, name, &st, 0) != 0 && errno == ENOENT)
		unlinkat(folder, name, 0);
	return true;
}

static int
is_no_dot(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static bool
sweep_parts(const struct sweep *self, struct failure *failure)
{
	struct dirent **entries = NULL;
	int count = scandirat(cache_parts(self->cache), ".", &entries, is_no_dot, alphasort);
	bool done = count >= 0 || cache_fail(self->cache, failure, "read", "parts");

	for (int i = 0; i < count; i++) {
		done =
		    done && sweep_file(self, cache_parts(self->cache), entries[i]->d_name, failure);
		free(entries[i]);
	}
	free(entries);
	return done;
}

bool
cache_sweep(struct cache *cache, time_t before, struct failure *failure)
{
	struct sweep self = {cache, before};

	if (!cache_lock(cache, LOCK_EX, failure))
		return false;
	bool done = cache_walk(cache, CACHE_SHA256, on_object, &self, failure) &&
	            sweep_parts(&self, failure) &&
	            cache_walk(cache, CACHE_SHA1, on_index, &self, failure);
	return cache_lock(cache, LOCK_SH, failure) && done;
}
