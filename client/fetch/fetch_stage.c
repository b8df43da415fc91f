/*
 * Staging. The hard part is that a wrong byte never gets a final name: a copy is judged while it is
 * written here, synced (many of them in one go), and only then may move.
 */
#include "fetch_stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "client/common/disk.h"
#include "client/common/file.h"
#include "fetch_file.h"

static int
open_stage(int root)
{
	return openat(root, CATALOGUE_PART_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* There are files in it, and empty folders. */
static void
empty(int folder)
{
	int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = again >= 0 ? fdopendir(again) : NULL;
	const struct dirent *entry;

	if (stream == NULL && again >= 0)
		close(again);
	/* cppcheck-suppress readdirCalled ; the stream is this call's own */
	while (stream != NULL && (entry = readdir(stream)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(folder, entry->d_name, 0) != 0)
			unlinkat(folder, entry->d_name, AT_REMOVEDIR);
	}
	if (stream != NULL)
		closedir(stream);
}

void
fetch_stage_sweep(int root)
{
	int folder = open_stage(root);

	if (folder >= 0) {
		empty(folder);
		close(folder);
	}
	if (unlinkat(root, CATALOGUE_PART_NAME, AT_REMOVEDIR) != 0)
		unlinkat(root, CATALOGUE_PART_NAME, 0);
}

bool
fetch_stage_begin(struct fetch_stage *self, int root, const struct rights *rights, size_t count,
    struct failure *failure)
{
	*self = (struct fetch_stage){root, -1, rights, disk_takes_batch(root, count)};
	fetch_stage_sweep(root);
	if (mkdirat(root, CATALOGUE_PART_NAME, 0700) == 0)
		self->folder = open_stage(root);
	return self->folder >= 0 || failure_errno(failure, "make", CATALOGUE_PART_NAME);
}

bool
fetch_stage_find(struct fetch_stage *self, int root)
{
	*self = (struct fetch_stage){root, open_stage(root), NULL, false};
	return self->folder >= 0;
}

void
fetch_stage_end(struct fetch_stage *self)
{
	fetch_stage_sweep(self->root);
	if (self->folder >= 0)
		close(self->folder);
	self->folder = -1;
}

static int
open_new(const struct fetch_stage *self, const char *name, mode_t mode, const char *what,
    struct failure *failure)
{
	int fd = openat(self->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd < 0)
		failure_errno(failure, "make the temporary file for", what);
	return fd;
}

/* Ends what open_new() began: when GOOD it is on the disk, or will be with the others; else it is
 * gone. */
static bool
close_new(const struct fetch_stage *self, int fd, const char *name, const char *what, bool good,
    struct failure *failure)
{
	bool synced = good && (self->batch || fsync(fd) == 0);

	if (good && !synced)
		failure_errno(failure, "write", what);
	if (close(fd) != 0 && synced)
		synced = failure_errno(failure, "write", what);
	if (!synced)
		unlinkat(self->folder, name, 0);
	return synced;
}

/* False when there is no room for SIZE bytes; a file system that cannot tell has room. */
static bool
reserve(int fd, uint64_t size)
{
	return size == 0 || fallocate(fd, 0, 0, (off_t)size) == 0 ||
	       (errno != ENOSPC && errno != EDQUOT && errno != EFBIG);
}

/* When it was modified, where the catalogue tells (as the second form does), and who may do what.
 */
static bool
set_attributes(const struct fetch_stage *self, int fd, const struct catalogue_file *file, int mode,
    struct failure *failure)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = file->mtime}};

	if (!rights_give_file(self->rights, fd, mode, file->executable))
		return failure_errno(failure, "set the permissions of", file->path);
	return file->mtime == 0 || futimens(fd, times) == 0 ||
	       failure_errno(failure, "set the time of", file->path);
}

static enum cache_result
stage_content(const struct fetch_stage *self, const char *name, const struct catalogue_file *file,
    int mode, struct cache *cache, struct failure *failure)
{
	int fd = open_new(self, name, file->executable ? 0755 : 0644, file->path, failure);

	if (fd < 0)
		return CACHE_FAILED;
	enum cache_result result = CACHE_FAILED;
	if (reserve(fd, file->digest.size))
		result = cache_copy(cache, &file->digest, fd, failure);
	else
		failure_errno(failure, "write", file->path);
	if (result == CACHE_DONE && !set_attributes(self, fd, file, mode, failure))
		result = CACHE_FAILED;
	bool good = result == CACHE_DONE;
	if (!close_new(self, fd, name, file->path, good, failure) && good)
		result = CACHE_FAILED;
	return result;
}

enum cache_result
fetch_stage_file(const struct fetch_stage *self, const char *name,
    const struct catalogue_file *file, int mode, struct cache *cache, struct failure *failure)
{
	bool made = true;

	switch (file->kind) {
	case CATALOGUE_FILE:
		return stage_content(self, name, file, mode, cache, failure);
	case CATALOGUE_LINK:
		made = symlinkat(file->target, self->folder, name) == 0 &&
		       rights_give_link(self->rights, self->folder, name);
		break;
	case CATALOGUE_FOLDER:
		made = mkdirat(self->folder, name, 0755) == 0 &&
		       rights_give_folder(self->rights, self->folder, name);
		break;
	}
	if (!made)
		failure_errno(failure, "make", file->path);
	return made ? CACHE_DONE : CACHE_FAILED;
}

bool
fetch_stage_text(const struct fetch_stage *self, const char *name, const struct buffer *text,
    struct failure *failure)
{
	int fd = open_new(self, name, 0644, name, failure);

	if (fd < 0)
		return false;
	bool good = (file_write_all(fd, buffer_bytes(text), buffer_size(text)) &&
	                rights_give_file(self->rights, fd, -1, false)) ||
	            failure_errno(failure, "write", name);
	return close_new(self, fd, name, name, good, failure);
}

bool
fetch_stage_folder(const struct fetch_stage *self, const char *name, struct failure *failure)
{
	return (mkdirat(self->folder, name, 0755) == 0 &&
	           rights_give_folder(self->rights, self->folder, name)) ||
	       failure_errno(failure, "make a folder in", CATALOGUE_PART_NAME);
}

bool
fetch_stage_sync(const struct fetch_stage *self, struct failure *failure)
{
	bool synced = self->batch ? disk_sync(self->folder)
	                          : fsync(self->folder) == 0 && fsync(self->root) == 0;

	return synced || failure_errno(failure, "write", CATALOGUE_PART_NAME);
}

bool
fetch_stage_place(
    const struct fetch_stage *self, const char *name, const char *path, struct failure *failure)
{
	const char *last;
	int folder = fetch_file_open_folder(self->root, path, &last);
	bool done =
	    folder >= 0 && renameat(self->folder, name, folder, last) == 0 && fsync(folder) == 0;

	if (!done)
		failure_errno(failure, "write", path);
	if (folder >= 0)
		close(folder);
	return done;
}
