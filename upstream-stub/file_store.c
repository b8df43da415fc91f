/*
 * Files below one folder. The one hard part is that no path may lead out of it. openat2() says
 * so in one call; where the kernel or a sandbox does not have it, the path is walked segment by
 * segment without following links. Which of the two is found out once, at the start.
 */
#include "file_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* O_NONBLOCK: opening a FIFO that lies in the folder must not block the loop. */
#define READ_FLAGS (O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct file_store {
	int root;
	bool has_openat2;
};

static int
open_beneath(int root, const char *relative, int flags)
{
	struct open_how how = {
	    .flags = (unsigned int)flags,
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};

	return (int)syscall(SYS_openat2, root, relative, &how, sizeof how);
}

struct file_store *
file_store_new(const char *root)
{
	struct file_store *store = calloc(1, sizeof *store);
	int probe;

	if (store == NULL)
		abort();
	store->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->root < 0) {
		free(store);
		return NULL;
	}
	probe = open_beneath(store->root, ".", FOLDER_FLAGS);
	if (probe >= 0) {
		store->has_openat2 = true;
		close(probe);
	}
	return store;
}

void
file_store_free(struct file_store *store)
{
	if (store == NULL)
		return;
	close(store->root);
	free(store);
}

static bool
is_plain_segment(const char *segment, size_t len)
{
	if (len == 0 || len > NAME_MAX)
		return false;
	if (len == 1 && segment[0] == '.')
		return false;
	return !(len == 2 && segment[0] == '.' && segment[1] == '.');
}

bool
file_store_is_path(const char *path)
{
	while (*path == '/') {
		size_t len = strcspn(path + 1, "/");

		if (!is_plain_segment(path + 1, len))
			return false;
		path += 1 + len;
		if (*path == '\0')
			return true;
	}
	return false;
}

/* Opens the folder `segment` of `parent`, and makes it first when asked to. */
static int
open_segment(int parent, const char *segment, bool make)
{
	if (make && mkdirat(parent, segment, 0755) == 0) {
		if (fsync(parent) != 0)
			return -1;
	} else if (make && errno != EEXIST) {
		return -1;
	}
	return openat(parent, segment, FOLDER_FLAGS);
}

int
file_store_open_folder(
    const struct file_store *store, const char *path, bool make, const char **name)
{
	int folder = fcntl(store->root, F_DUPFD_CLOEXEC, 0);
	const char *slash;

	path++;
	while (folder >= 0 && (slash = strchr(path, '/')) != NULL) {
		char segment[NAME_MAX + 1];
		int parent = folder;
		int saved;

		snprintf(segment, sizeof segment, "%.*s", (int)(slash - path), path);
		folder = open_segment(parent, segment, make);
		saved = errno;
		close(parent);
		errno = saved;
		path = slash + 1;
	}
	*name = path;
	return folder;
}

static int
open_file(const struct file_store *store, const char *path)
{
	const char *name;
	int folder, fd, saved;

	if (store->has_openat2)
		return open_beneath(store->root, path + 1, READ_FLAGS);
	folder = file_store_open_folder(store, path, false, &name);
	if (folder < 0)
		return -1;
	fd = openat(folder, name, READ_FLAGS);
	saved = errno;
	close(folder);
	errno = saved;
	return fd;
}

static bool
means_missing(int error)
{
	return error == ENOENT || error == ENOTDIR || error == ELOOP || error == EXDEV ||
	       error == EACCES || error == ENXIO || error == ENAMETOOLONG;
}

static void
describe(struct stored_file *file, const struct stat *st)
{
	file->size = (uint64_t)st->st_size;
	file->modified = st->st_mtim;
	snprintf(file->etag, sizeof file->etag, "\"%jx-%jx-%jx.%lx\"", (uintmax_t)st->st_ino,
	    (uintmax_t)st->st_size, (uintmax_t)st->st_mtim.tv_sec,
	    (unsigned long)st->st_mtim.tv_nsec);
}

enum file_store_result
file_store_open(const struct file_store *store, const char *path, struct stored_file *file)
{
	struct stat st;
	int fd;

	if (!file_store_is_path(path))
		return FILE_STORE_BAD_PATH;
	fd = open_file(store, path);
	if (fd < 0)
		return means_missing(errno) ? FILE_STORE_MISSING : FILE_STORE_FAILED;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return FILE_STORE_MISSING;
	}
	file->fd = fd;
	describe(file, &st);
	return FILE_STORE_FOUND;
}
