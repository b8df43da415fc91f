/*
 * The cache of artifacts. The hard part is that several processes use it at once and each may be
 * killed: an object is written elsewhere, synced and renamed; what is read is judged by its bytes;
 * and what is judged is the open file, not the name.
 */
#include "cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache_private.h"
#include "client/common/file.h"
#include "client/common/lock.h"
#include "client/common/report.h"

enum { PIECE = 128 * 1024 };

bool
cache_fail(const struct cache *self, struct failure *failure, const char *doing, const char *name)
{
	return failure_set(failure, FAILURE_LOCAL, "cannot %s %s/%s: %s", doing, self->folder, name,
	    strerror(errno));
}

/* ---- the folders --------------------------------------------------------------------------- */

/* Opens the folder NAME in FOLDER, made when it is not there. -1 with errno set. */
static int
open_folder(int folder, const char *name)
{
	if (mkdirat(folder, name, 0777) == 0)
		(void)fsync(folder);
	else if (errno != EEXIST)
		return -1;
	return openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static const char *const names[CACHE_FOLDERS] = {"sha256", "sha1", "parts"};

static bool
open_all(struct cache *self, struct failure *failure)
{
	self->root = open_folder(AT_FDCWD, self->folder);
	if (self->root < 0)
		return cache_fail(self, failure, "open", "");
	for (int i = 0; i < CACHE_FOLDERS; i++) {
		self->folders[i] = open_folder(self->root, names[i]);
		if (self->folders[i] < 0)
			return cache_fail(self, failure, "open", names[i]);
	}
	/* Downloads are locked, too, while they go on. */
	lock_close_to_others(cache_parts(self));
	self->lock = lock_open(self->root, "lock");
	return self->lock >= 0 || cache_fail(self, failure, "open", "lock");
}

bool
cache_lock(struct cache *self, int how, struct failure *failure)
{
	return lock_take(self->lock, how, self->folder, failure);
}

/* Opens what is there. */
static bool
look_at_all(struct cache *self, struct failure *failure)
{
	for (int i = 0; i < CACHE_FOLDERS; i++) {
		char *name = buffer_text("%s/%s", self->folder, names[i]);
		self->folders[i] = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		free(name);
		if (self->folders[i] < 0 && errno != ENOENT)
			return cache_fail(self, failure, "open", names[i]);
	}
	self->root = file_open_nearest(self->folder);
	return self->root >= 0 || cache_fail(self, failure, "open", "");
}

static struct cache *
cache_new(const char *folder)
{
	struct cache *self = buffer_alloc(sizeof *self);

	*self = (struct cache){.folder = buffer_strdup(folder), .root = -1, .lock = -1};
	for (int i = 0; i < CACHE_FOLDERS; i++)
		self->folders[i] = -1;
	return self;
}

struct cache *
cache_open(const char *folder, struct failure *failure)
{
	struct cache *self = cache_new(folder);

	if (open_all(self, failure) && cache_lock(self, LOCK_SH, failure))
		return self;
	cache_close(self);
	return NULL;
}

struct cache *
cache_open_to_look(const char *folder, struct failure *failure)
{
	struct cache *self = cache_new(folder);

	self->looks = true;
	if (look_at_all(self, failure))
		return self;
	cache_close(self);
	return NULL;
}

static void
close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void
cache_close(struct cache *self)
{
	if (self == NULL)
		return;
	for (int i = 0; i < CACHE_FOLDERS; i++)
		close_if_open(self->folders[i]);
	close_if_open(self->root);
	close_if_open(self->lock);
	free(self->late); /* of a batch that nobody has ended */
	free(self->folder);
	free(self);
}

int
cache_parts(const struct cache *self)
{
	return self->folders[CACHE_PARTS];
}

int
cache_disk(const struct cache *self)
{
	return cache_parts(self) >= 0 ? cache_parts(self) : self->root;
}

bool
cache_take_away(int folder, const char *name)
{
	if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
		return true;
	return errno == EISDIR && unlinkat(folder, name, AT_REMOVEDIR) == 0;
}

/* ---- names --------------------------------------------------------------------------------- */

void
cache_object_name(const char *hex, char name[CACHE_NAME_SIZE])
{
	snprintf(name, CACHE_NAME_SIZE, "%.2s/%s", hex, hex);
}

bool
cache_look_up(const struct cache *self, const char *sha1, char sha256[DIGEST_SHA256_SIZE])
{
	char name[CACHE_NAME_SIZE], target[CACHE_LINK_SIZE + 1];

	cache_object_name(sha1, name);
	ssize_t len = readlinkat(self->folders[CACHE_SHA1], name, target, sizeof target - 1);
	if (len < (ssize_t)DIGEST_SHA256_SIZE)
		return false;
	target[len] = '\0';
	memcpy(sha256, target + len - (DIGEST_SHA256_SIZE - 1), DIGEST_SHA256_SIZE);
	return strspn(sha256, "0123456789abcdef") == DIGEST_SHA256_SIZE - 1;
}

/* The name of the object that WANTED names; false when there can be none. */
static bool
find_name(const struct cache *self, const struct digest *wanted, char name[CACHE_NAME_SIZE])
{
	char sha256[DIGEST_SHA256_SIZE];

	memcpy(sha256, wanted->sha256, sizeof sha256);
	if (sha256[0] == '\0' && !cache_look_up(self, wanted->sha1, sha256))
		return false;
	cache_object_name(sha256, name);
	return true;
}

/* ---- reading ------------------------------------------------------------------------------- */

static int
open_object(const struct cache *self, const char *name)
{
	return openat(
	    self->folders[CACHE_SHA256], name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

bool
cache_has(const struct cache *self, const struct digest *wanted)
{
	char name[CACHE_NAME_SIZE];
	struct stat st;

	return find_name(self, wanted, name) &&
	       fstatat(self->folders[CACHE_SHA256], name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) && (uint64_t)st.st_size == wanted->size;
}

bool
cache_digest(int fd, int to, uint64_t max, struct digest *digest, bool *write_failed)
{
	struct digest_run *run = digest_run_new();
	char *piece = buffer_alloc(PIECE);
	uint64_t size = 0;
	ssize_t n = 0;

	*write_failed = false;
	while (size <= max && (n = read(fd, piece, PIECE)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		size += (uint64_t)n;
		digest_run_add(run, piece, (size_t)n);
		if (to >= 0 && !file_write_all(to, piece, (size_t)n)) {
			*write_failed = true;
			break;
		}
	}
	int saved = errno;
	digest_run_finish(run, digest);
	digest_run_free(run);
	free(piece);
	errno = saved;
	return n == 0 && size <= max;
}

/* Takes a damaged object away. When it was found by its SHA-1, the index may be what is wrong: that
 * goes, and cache_verify() judges the object by its name. */
static enum cache_result
drop(struct cache *self, const char *name, const struct digest *wanted)
{
	char index[CACHE_NAME_SIZE];

	if (self->looks)
		return CACHE_ABSENT;
	if (wanted->sha256[0] == '\0') {
		cache_object_name(wanted->sha1, index);
		(void)cache_take_away(self->folders[CACHE_SHA1], index);
	} else {
		report_note("%s/sha256/%s is damaged: taken away", self->folder, name);
		(void)cache_take_away(self->folders[CACHE_SHA256], name);
	}
	return CACHE_ABSENT;
}

/* Reads the object NAME, open as FD, to its end; TO as above. */
static enum cache_result
verify(struct cache *self, const char *name, int fd, const struct digest *wanted, int to,
    struct failure *failure)
{
	struct digest digest;
	struct stat st;
	bool write_failed = false;

	if (fstat(fd, &st) != 0)
		abort(); /* it is open */
	bool same = S_ISREG(st.st_mode) && (uint64_t)st.st_size == wanted->size &&
	            cache_digest(fd, to, wanted->size, &digest, &write_failed) &&
	            digest_is(&digest, wanted);
	if (write_failed) {
		cache_fail(self, failure, "copy", name);
		return CACHE_FAILED;
	}
	if (!same)
		return drop(self, name, wanted);
	/* The time of its last use, for cache_gc(), whatever the mount options; a reader without
	 * that right may still use it. */
	static const struct timespec used[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
	if (!self->looks)
		(void)futimens(fd, used);
	return CACHE_DONE;
}

/* Opens the object that WANTED names: *FD is -1 unless it is there. */
static enum cache_result
open_wanted(struct cache *self, const struct digest *wanted, char name[CACHE_NAME_SIZE], int *fd,
    struct failure *failure)
{
	*fd = -1;
	if (self->folders[CACHE_SHA256] < 0 || !find_name(self, wanted, name))
		return CACHE_ABSENT;
	*fd = open_object(self, name);
	if (*fd >= 0)
		return CACHE_DONE;
	if (errno == ENOENT)
		return CACHE_ABSENT;
	if (errno == ELOOP || errno == ENXIO || errno == ENOTDIR) /* a link, a socket, a file */
		return drop(self, name, wanted);
	cache_fail(self, failure, "open", name);
	return CACHE_FAILED;
}

/* Reads the object that WANTED names to its end, and writes it to TO unless that is -1. */
static enum cache_result
read_wanted(struct cache *self, const struct digest *wanted, int to, struct failure *failure)
{
	char name[CACHE_NAME_SIZE];
	int fd;
	enum cache_result result = open_wanted(self, wanted, name, &fd, failure);

	if (result != CACHE_DONE)
		return result;
	result = verify(self, name, fd, wanted, to, failure);
	close(fd);
	return result;
}

enum cache_result
cache_copy(struct cache *self, const struct digest *wanted, int to, struct failure *failure)
{
	return read_wanted(self, wanted, to, failure);
}

enum cache_result
cache_check(struct cache *self, const struct digest *wanted, struct failure *failure)
{
	return read_wanted(self, wanted, -1, failure);
}

/* ---- writing ------------------------------------------------------------------------------- */

/* Makes the folder of NAME, "AB/...", below FOLDER. */
static void
make_folder_of(int folder, const char *name)
{
	char two[3];

	snprintf(two, sizeof two, "%.2s", name);
	(void)mkdirat(folder, two, 0777);
}

/* Renames; an empty folder in the way is taken away. False with errno set. */
static bool
move(int from, const char *name, int to, const char *new_name)
{
	if (renameat(from, name, to, new_name) == 0)
		return true;
	if (errno == ENOENT)
		make_folder_of(to, new_name);
	else if (errno != EISDIR || !cache_take_away(to, new_name))
		return false;
	return renameat(from, name, to, new_name) == 0;
}

/* Puts the link NAME to TARGET in place of what is there, in one step. */
static void
replace_link(int folder, const char *name, const char *target)
{
	char temp[CACHE_NAME_SIZE + 16];

	snprintf(temp, sizeof temp, "%s.%ld", name, (long)getpid());
	(void)unlinkat(folder, temp, 0);
	if (symlinkat(target, folder, temp) == 0 && !move(folder, temp, folder, name))
		unlinkat(folder, temp, 0);
}

/* An index that names another object, or none, is replaced. */
void
cache_index(struct cache *self, const struct digest *actual)
{
	char name[CACHE_NAME_SIZE], target[CACHE_LINK_SIZE];
	char object[CACHE_NAME_SIZE], there[DIGEST_SHA256_SIZE];
	int folder = self->folders[CACHE_SHA1];

	cache_object_name(actual->sha1, name);
	cache_object_name(actual->sha256, object);
	snprintf(target, sizeof target, "../../sha256/%s", object);
	if (symlinkat(target, folder, name) == 0)
		return;
	if (errno == ENOENT)
		make_folder_of(folder, name);
	else if (cache_look_up(self, actual->sha1, there) && strcmp(there, actual->sha256) == 0)
		return;
	replace_link(folder, name, target);
}

bool
cache_adopt(struct cache *self, int folder, const char *name, const struct digest *actual,
    struct failure *failure)
{
	char object[CACHE_NAME_SIZE];

	cache_object_name(actual->sha256, object);
	if (!move(folder, name, self->folders[CACHE_SHA256], object))
		return cache_fail(self, failure, "write", object);
	cache_index(self, actual);
	return true;
}

/* ---- linking ------------------------------------------------------------------------------- */

/* Writes the object NAME, which is open as FD, to COPY. */
static bool
copy_again(struct cache *self, const char *name, int fd, const struct digest *wanted, int copy,
    struct failure *failure)
{
	if (lseek(fd, 0, SEEK_SET) != 0)
		abort(); /* it is a file */
	enum cache_result result = verify(self, name, fd, wanted, copy, failure);
	if (result == CACHE_ABSENT)
		failure_set(failure, FAILURE_LOCAL, "%s/sha256/%s was changed just now",
		    self->folder, name);
	return result == CACHE_DONE &&
	       (fsync(copy) == 0 || cache_fail(self, failure, "copy", name));
}

/* Makes another file the object NAME, which is open as FD, with the same bytes: FD has all the
 * names that its file system allows a file, and keeps them. Returns the new one, open, or -1. */
static int
replace(struct cache *self, const char *name, int fd, const struct digest *wanted,
    struct failure *failure)
{
	struct digest actual = *wanted;
	char temp[32];

	memcpy(actual.sha256, name + 3, sizeof actual.sha256);
	snprintf(temp, sizeof temp, "copy.%ld", (long)getpid());
	(void)cache_take_away(cache_parts(self), temp);
	int copy = openat(cache_parts(self), temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (copy < 0)
		cache_fail(self, failure, "copy", name);
	else if (copy_again(self, name, fd, wanted, copy, failure) &&
	         cache_adopt(self, cache_parts(self), temp, &actual, failure))
		return copy;
	(void)cache_take_away(cache_parts(self), temp);
	close_if_open(copy);
	return -1;
}

/* Gives the file FD the name LINK in FOLDER; false with errno set. */
static bool
link_file(int fd, int folder, const char *link)
{
	char file[32];

	snprintf(file, sizeof file, "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, file, folder, link, AT_SYMLINK_FOLLOW) == 0;
}

enum cache_result
cache_link(struct cache *self, const struct digest *wanted, int folder, const char *link,
    struct failure *failure)
{
	char name[CACHE_NAME_SIZE];
	int fd;
	enum cache_result result = open_wanted(self, wanted, name, &fd, failure);

	if (result != CACHE_DONE)
		return result;
	result = verify(self, name, fd, wanted, -1, failure);
	bool linked = result != CACHE_DONE || link_file(fd, folder, link);
	if (!linked && errno == EMLINK) {
		int copy = replace(self, name, fd, wanted, failure);
		close(fd);
		if (copy < 0)
			return CACHE_FAILED;
		fd = copy;
		linked = link_file(fd, folder, link);
	}
	if (!linked) {
		/* Whoever took its last name away has another one in mind. */
		result = errno == ENOENT ? CACHE_ABSENT : CACHE_FAILED;
		cache_fail(self, failure, "link", name);
	}
	close(fd);
	return result;
}
