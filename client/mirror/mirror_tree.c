/*
 * A mirror's folder.
 *
 * The hard part is the order of steps: after a crash at any of them, of this process or of the
 * machine, each name in DIR must stand for something whole. So all that a name stands for is synced
 * first, then the name is given, then the folder of the name is synced, and only then may what the
 * name stood for before be taken apart.
 */
#include "mirror_tree.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/common/disk.h"
#include "client/common/file.h"
#include "client/common/lock.h"

#define STAGING "staging"
#define LOCK "mirror.lock"

enum {
	NAME_SIZE = 16,
	FILES_MAX = 2,
	FOLDER_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
};

struct mirror_tree {
	char *folder, *own;
	int root, own_folder, staging, lock;
	unsigned names;        /* given in staging so far */
	char stage[NAME_SIZE]; /* what is put together there now; "" for nothing */
	int stage_folder;
};

/* A name in staging that nothing has yet: the folder was empty at the start. */
static void
new_name(struct mirror_tree *self, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, "%u", self->names++);
}

/* ---- folders ------------------------------------------------------------------------------ */

enum how { FIND, MAKE, MAKE_ON_DISK };

/* Opens the folder NAME in FOLDER; -1 with errno set. */
static int
enter(int folder, const char *name, enum how how)
{
	if (how != FIND && mkdirat(folder, name, 0755) == 0) {
		if (how == MAKE_ON_DISK && fsync(folder) != 0)
			return -1;
	} else if (how != FIND && errno != EEXIST) {
		return -1;
	}
	return openat(folder, name, FOLDER_FLAGS);
}

/* Opens the folder that the first LEN bytes of PATH name below ROOT; -1 with errno set. */
static int
walk(int root, const char *path, size_t len, enum how how)
{
	int folder = fcntl(root, F_DUPFD_CLOEXEC, 0);
	const char *end = path + len;

	while (folder >= 0 && path < end) {
		size_t segment = strcspn(path, "/");
		char *name = buffer_copy(path, segment);
		int next = enter(folder, name, how);
		int saved = errno;
		close(folder);
		free(name);
		errno = saved;
		folder = next;
		path += segment + 1;
	}
	return folder;
}

/* Both ends of BASE are slashes, which may be the same one. */
static int
walk_base(const struct mirror_tree *self, const char *base, enum how how)
{
	return walk(self->root, base + 1, strlen(base) - 1, how);
}

int
mirror_tree_make(const struct mirror_tree *self, const char *base, struct failure *failure)
{
	int folder = walk_base(self, base, MAKE_ON_DISK);

	if (folder < 0)
		failure_set(failure, FAILURE_LOCAL, "cannot make the folder %s%s: %s", self->folder,
		    base, strerror(errno));
	return folder;
}

int
mirror_tree_make_own(const struct mirror_tree *self, const char *name, struct failure *failure)
{
	int folder = enter(self->own_folder, name, MAKE_ON_DISK);

	if (folder < 0)
		failure_set(failure, FAILURE_LOCAL, "cannot make the folder %s/%s: %s", self->own,
		    name, strerror(errno));
	return folder;
}

bool
mirror_tree_find(
    const struct mirror_tree *self, const char *base, int *folder, struct failure *failure)
{
	*folder = walk_base(self, base, FIND);
	return *folder >= 0 || errno == ENOENT ||
	       failure_errno(failure, "open the folder of", base);
}

/* ---- taking apart ------------------------------------------------------------------------- */

/* Calls FN for each name in FOLDER, which it takes over, until one call is false. False then, or
 * when the names cannot be read, with errno set. */
static bool
each_entry(int folder, bool (*fn)(int folder, const char *name))
{
	const struct dirent *entry = NULL;
	DIR *stream = fdopendir(folder);
	bool done = true;

	if (stream == NULL) {
		close(folder);
		return false;
	}
	/* cppcheck-suppress readdirCalled ; the stream is this call's own */
	while (errno = 0, done && (entry = readdir(stream)) != NULL)
		done = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		       fn(folder, entry->d_name);
	done = done && errno == 0;
	int saved = errno;
	closedir(stream);
	errno = saved;
	return done;
}

static bool
remove_entry(int folder, const char *name)
{
	if (unlinkat(folder, name, 0) == 0)
		return true;
	if (errno != EISDIR && errno != EPERM)
		return false;
	int below = openat(folder, name, FOLDER_FLAGS);
	return below >= 0 && each_entry(below, remove_entry) &&
	       unlinkat(folder, name, AT_REMOVEDIR) == 0;
}

static bool
remove_staged(const struct mirror_tree *self, const char *name, struct failure *failure)
{
	return remove_entry(self->staging, name) || errno == ENOENT ||
	       failure_errno(failure, "remove what lies in", self->own);
}

/* ---- opening ------------------------------------------------------------------------------ */

static bool
lock(struct mirror_tree *self, struct failure *failure)
{
	self->lock = lock_open(self->own_folder, LOCK);
	if (self->lock < 0)
		return failure_errno(failure, "make the lock in", self->own);
	if (flock(self->lock, LOCK_EX | LOCK_NB) == 0)
		return true;
	if (errno != EWOULDBLOCK)
		return failure_errno(failure, "lock", self->own);
	char holder[LOCK_HOLDER_SIZE];
	lock_holder(self->lock, holder);
	return failure_set(failure, FAILURE_LOCAL, "another spot mirror is at work in %s: %s",
	    self->folder, holder);
}

/* What a killed process left there goes. */
static bool
clean_staging(struct mirror_tree *self, struct failure *failure)
{
	self->staging = enter(self->own_folder, STAGING, MAKE_ON_DISK);
	if (self->staging < 0)
		return failure_errno(failure, "make the folder for staging in", self->own);
	int again = openat(self->staging, ".", FOLDER_FLAGS);
	return (again >= 0 && each_entry(again, remove_entry)) ||
	       failure_errno(failure, "empty the staging in", self->own);
}

/* Tells before anything is downloaded, not after. */
static bool
can_exchange(struct mirror_tree *self, struct failure *failure)
{
	char a[NAME_SIZE], b[NAME_SIZE];

	new_name(self, a);
	new_name(self, b);
	if (mkdirat(self->staging, a, 0755) != 0 || mkdirat(self->staging, b, 0755) != 0)
		return failure_errno(failure, "make a folder in", self->own);
	if (renameat2(self->staging, a, self->staging, b, RENAME_EXCHANGE) != 0)
		return failure_set(failure, FAILURE_LOCAL,
		    "the file system of %s cannot exchange two folders in one step (%s): a mirror "
		    "needs one that can, such as ext4, XFS or btrfs",
		    self->folder, strerror(errno));
	return remove_staged(self, a, failure) && remove_staged(self, b, failure);
}

static bool
open_folders(struct mirror_tree *self, struct failure *failure)
{
	if (mkdir(self->folder, 0755) != 0 && errno != EEXIST)
		return failure_errno(failure, "make", self->folder);
	self->root = open(self->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (self->root < 0)
		return failure_errno(failure, "open", self->folder);
	/* Whoever serves DIR to others, as another user, cannot serve this. */
	if (mkdirat(self->root, MIRROR_TREE_OWN, 0700) != 0 && errno != EEXIST)
		return failure_errno(failure, "make", self->own);
	self->own_folder = enter(self->root, MIRROR_TREE_OWN, FIND);
	if (self->own_folder < 0)
		return failure_errno(failure, "open", self->own);
	return lock(self, failure) && clean_staging(self, failure) && can_exchange(self, failure);
}

struct mirror_tree *
mirror_tree_open(const char *folder, struct failure *failure)
{
	struct mirror_tree *self = buffer_alloc(sizeof *self);

	*self = (struct mirror_tree){
	    .folder = buffer_strdup(folder),
	    .own = buffer_text("%s/" MIRROR_TREE_OWN, folder),
	    .root = -1,
	    .own_folder = -1,
	    .staging = -1,
	    .lock = -1,
	    .stage_folder = -1,
	};
	if (open_folders(self, failure))
		return self;
	mirror_tree_close(self);
	return NULL;
}

void
mirror_tree_close(struct mirror_tree *self)
{
	if (self == NULL)
		return;
	if (self->stage_folder >= 0)
		mirror_tree_drop_stage(self);
	const int folders[] = {self->staging, self->own_folder, self->root, self->lock};
	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
		if (folders[i] >= 0)
			close(folders[i]);
	}
	free(self->own);
	free(self->folder);
	free(self);
}

const char *
mirror_tree_own(const struct mirror_tree *self)
{
	return self->own;
}

char *
mirror_tree_name(const struct mirror_tree *self, const char *base, const char *rest)
{
	return buffer_text("%s%s%s", self->folder, base, rest);
}

/* ---- files -------------------------------------------------------------------------------- */

static bool
write_all(int fd, const struct buffer *content)
{
	size_t len = buffer_size(content);

	return file_write_all(fd, len > 0 ? buffer_bytes(content) : "", len) &&
	       fchmod(fd, 0644) == 0 && fsync(fd) == 0;
}

bool
mirror_tree_stage_file(
    int stage, const char *name, const struct buffer *content, struct failure *failure)
{
	int fd = openat(stage, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	bool done = fd >= 0 && write_all(fd, content);

	if (!done)
		failure_errno(failure, "write", name);
	if (fd >= 0)
		close(fd);
	return done;
}

/* True when the regular file NAME holds CONTENT and nothing else. */
static bool
holds(int folder, const char *name, const struct buffer *content)
{
	size_t len = buffer_size(content);
	char *bytes = buffer_alloc(len + 1);
	struct stat st;
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	bool same = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	            pread(fd, bytes, len + 1, 0) == (ssize_t)len &&
	            (len == 0 || memcmp(bytes, buffer_bytes(content), len) == 0);
	if (fd >= 0)
		close(fd);
	free(bytes);
	return same;
}

bool
mirror_tree_put(struct mirror_tree *self, int folder, const struct mirror_tree_file *files,
    size_t count, struct failure *failure)
{
	char temps[FILES_MAX][NAME_SIZE] = {""};
	bool changed = false;

	assert(count <= FILES_MAX);
	for (size_t i = 0; i < count; i++) {
		if (holds(folder, files[i].name, files[i].content))
			continue;
		changed = true;
		new_name(self, temps[i]);
		if (!mirror_tree_stage_file(self->staging, temps[i], files[i].content, failure))
			return false;
	}
	for (size_t i = 0; i < count; i++) {
		if (temps[i][0] != '\0' &&
		    renameat(self->staging, temps[i], folder, files[i].name) != 0)
			return failure_errno(failure, "write", files[i].name);
	}
	return !changed || fsync(folder) == 0 || failure_errno(failure, "write", files[0].name);
}

bool
mirror_tree_unlink(int folder, const char *name, struct failure *failure)
{
	if (unlinkat(folder, name, 0) != 0)
		return errno == ENOENT || failure_errno(failure, "remove", name);
	return fsync(folder) == 0 || failure_errno(failure, "remove", name);
}

/* ---- versions ----------------------------------------------------------------------------- */

int
mirror_tree_stage(struct mirror_tree *self, struct failure *failure)
{
	mirror_tree_drop_stage(self);
	new_name(self, self->stage);
	self->stage_folder = enter(self->staging, self->stage, MAKE);
	if (self->stage_folder < 0)
		failure_errno(failure, "make a folder in", self->own);
	return self->stage_folder;
}

static void
forget_stage(struct mirror_tree *self)
{
	if (self->stage_folder >= 0)
		close(self->stage_folder);
	self->stage_folder = -1;
	self->stage[0] = '\0';
}

void
mirror_tree_drop_stage(struct mirror_tree *self)
{
	if (self->stage[0] != '\0')
		remove_entry(self->staging, self->stage); /* or the next start does */
	forget_stage(self);
}

int
mirror_tree_stage_folder(int stage, const char *path, const char **name, struct failure *failure)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash != NULL ? (size_t)(slash - path) : 0;
	int folder = walk(stage, path, len, MAKE);

	*name = slash != NULL ? slash + 1 : path;
	if (folder < 0)
		failure_errno(failure, "make the folder of", path);
	return folder;
}

static bool sync_names(int folder);

static bool
sync_entry(int folder, const char *name)
{
	int below = openat(folder, name, FOLDER_FLAGS);

	return below >= 0 ? sync_names(below) : errno == ENOTDIR || errno == ELOOP;
}

/* Brings the names in FOLDER, which it takes over, and in all folders below to the disk. */
static bool
sync_names(int folder)
{
	if (fsync(folder) == 0)
		return each_entry(folder, sync_entry);
	int saved = errno;
	close(folder);
	errno = saved;
	return false;
}

/* Brings the COUNT names in the stage to the disk. */
static bool
sync_stage(const struct mirror_tree *self, size_t count)
{
	if (disk_takes_batch(self->stage_folder, count))
		return disk_sync(self->stage_folder);
	int again = openat(self->stage_folder, ".", FOLDER_FLAGS);
	return again >= 0 && sync_names(again);
}

bool
mirror_tree_publish(struct mirror_tree *self, int folder, const char *version, size_t count,
    bool replaces, struct failure *failure)
{
	char name[NAME_SIZE];

	memcpy(name, self->stage, sizeof name);
	if (!sync_stage(self, count))
		return failure_errno(failure, "sync", version);
	if (renameat2(self->staging, name, folder, version,
	        replaces ? RENAME_EXCHANGE : RENAME_NOREPLACE) != 0)
		return failure_errno(failure, "put in place", version);
	forget_stage(self);
	if (fsync(folder) != 0 || fsync(self->staging) != 0)
		return failure_errno(failure, "put in place", version);
	return !replaces || remove_staged(self, name, failure);
}

bool
mirror_tree_remove(
    struct mirror_tree *self, int folder, const char *version, struct failure *failure)
{
	char name[NAME_SIZE];

	new_name(self, name);
	if (renameat2(folder, version, self->staging, name, RENAME_NOREPLACE) != 0 ||
	    fsync(folder) != 0 || fsync(self->staging) != 0)
		return failure_errno(failure, "remove", version);
	return remove_staged(self, name, failure);
}
