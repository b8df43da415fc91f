/*
 * Parts. The hard part is that nothing is believed, neither what comes nor what an earlier run
 * left: all bytes are digested, a part goes on only when its ETag still holds, and one that turns
 * out wrong at its end begins anew.
 */
#include "cache_part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache_batch.h"
#include "cache_private.h"
#include "client/common/file.h"
#include "client/net/field.h"

enum {
	ETAG_MAX = 256,
	PIECE = 128 * 1024,
};

struct cache_part {
	struct cache *cache;
	const struct digest *wanted;
	const char *name; /* for failures */
	char key[CACHE_KEY_SIZE], etag_name[CACHE_KEY_SIZE + sizeof ".etag"];
	int fd;
	struct digest_run *run; /* over the bytes that are in the file */
	uint64_t size;          /* of them */
	char etag[ETAG_MAX];    /* of the answer they came with; "" when it had none */
	bool has_etag_file;     /* there is one, whatever it holds */
	bool adopted;           /* it is an object now, or waits to be one */
};

/* ---- what an earlier run left --------------------------------------------------------------- */

static bool
is_named(const struct cache_part *self)
{
	struct stat named, open;

	return fstat(self->fd, &open) == 0 &&
	       fstatat(cache_parts(self->cache), self->key, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       named.st_dev == open.st_dev && named.st_ino == open.st_ino;
}

/* Takes away what has the part's name and is no file of its own: a link, also a hard one, would
 * have us write elsewhere. */
static void
clear_name(const struct cache_part *self)
{
	struct stat st;

	if (fstatat(cache_parts(self->cache), self->key, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (!S_ISREG(st.st_mode) || st.st_nlink != 1))
		(void)cache_take_away(cache_parts(self->cache), self->key);
}

/* Opens and locks the file. Who waited for the lock may hold a file that has become an object
 * meanwhile: then there is another one, or none. */
static bool
open_locked(struct cache_part *self, bool *busy, struct failure *failure)
{
	for (;;) {
		clear_name(self);
		self->fd = openat(cache_parts(self->cache), self->key,
		    O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
		if (self->fd < 0)
			return cache_fail(self->cache, failure, "open parts of", self->key);
		if (flock(self->fd, LOCK_EX | LOCK_NB) != 0) {
			*busy = errno == EWOULDBLOCK;
			return *busy ? false
			             : cache_fail(self->cache, failure, "lock parts of", self->key);
		}
		if (is_named(self))
			return true;
		close(self->fd);
	}
}

static void
read_etag(struct cache_part *self)
{
	int fd = openat(cache_parts(self->cache), self->etag_name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	self->has_etag_file = fd >= 0 || errno != ENOENT;
	if (fd < 0)
		return;
	ssize_t len = read(fd, self->etag, sizeof self->etag - 1);
	self->etag[len > 0 ? len : 0] = '\0';
	if (!field_is_strong_etag(self->etag))
		self->etag[0] = '\0';
	close(fd);
}

static void
remove_etag(struct cache_part *self)
{
	if (self->has_etag_file)
		(void)cache_take_away(cache_parts(self->cache), self->etag_name);
	self->has_etag_file = false;
}

/* Only a part that is not whole yet needs it, if it is cut. */
static void
write_etag(struct cache_part *self)
{
	int parts = cache_parts(self->cache);

	if (self->etag[0] == '\0' || self->has_etag_file)
		return;
	int fd = openat(parts, self->etag_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return;
	size_t len = strlen(self->etag);
	self->has_etag_file = true;
	if (write(fd, self->etag, len) != (ssize_t)len)
		remove_etag(self);
	close(fd);
}

/* Back to no bytes at all. */
static bool
start_over(struct cache_part *self, struct failure *failure)
{
	digest_run_free(self->run);
	self->run = digest_run_new();
	self->size = 0;
	self->etag[0] = '\0';
	return (ftruncate(self->fd, 0) == 0 && lseek(self->fd, 0, SEEK_SET) == 0) ||
	       cache_fail(self->cache, failure, "write parts of", self->key);
}

/* Digests what is in the file; false when it cannot be read or is more than it may be. */
static bool
read_bytes(struct cache_part *self)
{
	char *piece = buffer_alloc(PIECE);
	ssize_t n;

	while ((n = read(self->fd, piece, PIECE)) != 0) {
		if (n < 0 && errno != EINTR)
			break;
		if (n > 0) {
			digest_run_add(self->run, piece, (size_t)n);
			self->size += (uint64_t)n;
		}
		if (self->size > self->wanted->size)
			break;
	}
	free(piece);
	return n == 0;
}

static void
key_of(const struct digest *wanted, char key[CACHE_KEY_SIZE])
{
	bool weak = wanted->sha256[0] == '\0';

	snprintf(
	    key, CACHE_KEY_SIZE, "%s%s", weak ? "sha1-" : "", weak ? wanted->sha1 : wanted->sha256);
}

uint64_t
cache_part_there(const struct cache *cache, const struct digest *wanted)
{
	char key[CACHE_KEY_SIZE];
	struct stat st;

	key_of(wanted, key);
	if (fstatat(cache_parts(cache), key, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(st.st_mode) || st.st_size < 0)
		return 0;
	return (uint64_t)st.st_size;
}

struct cache_part *
cache_part_open(struct cache *cache, const struct digest *wanted, const char *name, bool *busy,
    struct failure *failure)
{
	struct cache_part *self = buffer_alloc(sizeof *self);

	*self = (struct cache_part){
	    .cache = cache, .wanted = wanted, .name = name, .fd = -1, .run = digest_run_new()};
	key_of(wanted, self->key);
	snprintf(self->etag_name, sizeof self->etag_name, "%s.etag", self->key);
	*busy = false;
	bool done = open_locked(self, busy, failure);
	if (done) {
		read_etag(self);
		done = read_bytes(self) || start_over(self, failure);
	}
	if (done)
		return self;
	self->adopted = true; /* it was never ours: nothing of it is to be taken away */
	cache_part_close(self);
	return NULL;
}

void
cache_part_close(struct cache_part *self)
{
	if (self == NULL)
		return;
	/* Nobody could go on with it. */
	bool useless =
	    self->size == 0 || (self->etag[0] == '\0' && self->size < self->wanted->size);
	if (!self->adopted && useless) {
		remove_etag(self);
		(void)cache_take_away(cache_parts(self->cache), self->key);
	}
	if (self->fd >= 0)
		close(self->fd);
	digest_run_free(self->run);
	free(self);
}

uint64_t
cache_part_size(const struct cache_part *self)
{
	return self->size;
}

/* ---- the sink of the download ---------------------------------------------------------------- */

uint64_t
cache_part_resume(void *arg, const char **etag)
{
	const struct cache_part *self = arg;

	*etag = self->etag;
	return self->etag[0] != '\0' && self->size < self->wanted->size ? self->size : 0;
}

bool
cache_part_begin(void *arg, uint64_t offset, const char *etag, struct failure *failure)
{
	struct cache_part *self = arg;

	if (offset > 0)
		return true; /* If-Range made sure that the ETag is the same */
	if (!start_over(self, failure))
		return false;
	if (field_is_strong_etag(etag) && strlen(etag) < sizeof self->etag)
		snprintf(self->etag, sizeof self->etag, "%s", etag);
	remove_etag(self);
	return true;
}

bool
cache_part_take(void *arg, const char *bytes, size_t len, struct failure *failure)
{
	struct cache_part *self = arg;

	if (len > self->wanted->size - self->size)
		return failure_set(failure, FAILURE_ANSWER,
		    "the server sends more than the %llu bytes of %s",
		    (unsigned long long)self->wanted->size, self->name);
	digest_run_add(self->run, bytes, len);
	self->size += len;
	if (self->size < self->wanted->size)
		write_etag(self);
	return file_write_all(self->fd, bytes, len) ||
	       cache_fail(self->cache, failure, "write parts of", self->name);
}

/* Wrong bytes may come from a file that was changed between two tries: all of it is asked for
 * again, from the beginning, as often as there are tries. */
bool
cache_part_end(void *arg, struct failure *failure)
{
	struct cache_part *self = arg;
	struct digest digest;

	digest_run_finish(self->run, &digest);
	if (!digest_is(&digest, self->wanted)) {
		if (!start_over(self, failure))
			return false;
		failure_set(failure, FAILURE_ANSWER,
		    "what the server sends for %s is not the catalogue's", self->name);
		failure->passes = true;
		return false;
	}
	remove_etag(self);
	self->adopted = cache_batch_take(self->cache, self->key, self->fd, &digest);
	if (self->adopted)
		return true;
	if (fsync(self->fd) != 0)
		return cache_fail(self->cache, failure, "write parts of", self->key);
	self->adopted =
	    cache_adopt(self->cache, cache_parts(self->cache), self->key, &digest, failure);
	return self->adopted;
}
