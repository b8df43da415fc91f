/*
 * Batches. The hard part is that nobody holds a part while it waits for the disk, as there may be
 * more of them than open files: it becomes an object only if it still is the file, with the time of
 * change, whose bytes were found right.
 */
#include "cache_batch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "cache_private.h"
#include "client/common/disk.h"

/* A part that has come whole. */
struct cache_late {
	char key[CACHE_KEY_SIZE];
	struct digest actual;
	ino_t file;
	struct timespec changed;
};

bool
cache_batch_begin(struct cache *self, size_t count)
{
	self->batch = disk_takes_batch(cache_parts(self), count);
	return self->batch;
}

bool
cache_batch_take(struct cache *self, const char *key, int fd, const struct digest *actual)
{
	struct stat st;

	if (!self->batch)
		return false;
	if (fstat(fd, &st) != 0)
		abort(); /* it is open */
	if (self->late_count == self->late_capacity) {
		self->late_capacity = self->late_capacity * 2 + 256;
		self->late = reallocarray(self->late, self->late_capacity, sizeof *self->late);
		if (self->late == NULL)
			abort();
	}
	struct cache_late *late = &self->late[self->late_count++];
	*late = (struct cache_late){.actual = *actual, .file = st.st_ino, .changed = st.st_ctim};
	snprintf(late->key, sizeof late->key, "%s", key);
	return true;
}

static bool
is_unchanged(const struct cache_late *late, int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_ino == late->file &&
	       (uint64_t)st.st_size == late->actual.size &&
	       st.st_ctim.tv_sec == late->changed.tv_sec &&
	       st.st_ctim.tv_nsec == late->changed.tv_nsec;
}

/* Makes LATE an object, unless somebody else has taken it up. */
static bool
settle(struct cache *self, const struct cache_late *late, struct failure *failure)
{
	int fd =
	    openat(cache_parts(self), late->key, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT || cache_fail(self, failure, "open parts of", late->key);
	bool done = true;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_unchanged(late, fd))
		done = cache_adopt(self, cache_parts(self), late->key, &late->actual, failure);
	close(fd);
	return done;
}

bool
cache_batch_end(struct cache *self, struct failure *failure)
{
	bool done = self->late_count == 0 || disk_sync(cache_parts(self)) ||
	            cache_fail(self, failure, "sync", "parts");

	for (size_t i = 0; i < self->late_count && done; i++)
		done = settle(self, &self->late[i], failure);
	free(self->late);
	self->late = NULL;
	self->late_count = self->late_capacity = 0;
	self->batch = false;
	return done;
}
