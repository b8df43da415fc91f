/*
 * Placing one file. The hard part is that a wrong byte never gets a final name: the copy is judged
 * while it is written under another one, synced, and only then renamed.
 */
#include "fetch_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../policy/buffer.h"
#include "digest.h"
#include "file.h"

/* Opens the folder below ROOT in which PATH's last segment stands, which *NAME is set to. Folders
 * are made when MAKE says so. -1 with errno set. */
static int
open_folder(int root, const char *path, bool make, const char **name)
{
	int folder = fcntl(root, F_DUPFD_CLOEXEC, 0);

	*name = path;
	for (const char *slash; folder >= 0 && (slash = strchr(*name, '/')) != NULL;) {
		char *segment = buffer_copy(*name, (size_t)(slash - *name));
		int next = -1;
		if (!make ||
		    (mkdirat(folder, segment, 0755) == 0 ? fsync(folder) == 0 : errno == EEXIST))
			next = openat(
			    folder, segment, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int saved = errno;
		close(folder);
		free(segment);
		folder = next;
		errno = saved;
		*name = slash + 1;
	}
	return folder;
}

static bool
is_there(int folder, const char *name, const struct digest *wanted)
{
	struct digest digest;
	struct stat st;
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return false;
	bool same = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	            (uint64_t)st.st_size == wanted->size && digest_of_file(fd, &digest) &&
	            digest_is(&digest, wanted);
	close(fd);
	return same;
}

/* Where a copy goes, and from where it moves to its place. */
struct place {
	int root, folder;
	const char *name; /* in the folder */
	const char *path; /* for messages */
};

static int
open_temporary(const struct place *place, struct failure *failure)
{
	int fd =
	    openat(place->root, CATALOGUE_PART_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		failure_errno(failure, "make the temporary file for", place->path);
	return fd;
}

/* Ends what open_temporary() began: it gets its name when GOOD, else it is gone. */
static bool
close_temporary(int fd, bool good, const struct place *place, struct failure *failure)
{
	bool done = good && fsync(fd) == 0 &&
	            renameat(place->root, CATALOGUE_PART_NAME, place->folder, place->name) == 0 &&
	            fsync(place->folder) == 0;

	if (good && !done)
		failure_errno(failure, "write", place->path);
	close(fd);
	if (!done)
		fetch_file_sweep(place->root);
	return done;
}

static enum cache_result
copy(const struct place *place, const struct catalogue_file *file, struct cache *cache,
    struct failure *failure)
{
	int fd = open_temporary(place, failure);

	if (fd < 0)
		return CACHE_FAILED;
	enum cache_result result = cache_copy(cache, &file->digest, fd, failure);
	bool good = result == CACHE_DONE;
	if (!close_temporary(fd, good, place, failure) && good)
		result = CACHE_FAILED;
	return result;
}

enum cache_result
fetch_file_put(
    int root, const struct catalogue_file *file, struct cache *cache, struct failure *failure)
{
	struct place place = {.root = root, .path = file->path};

	place.folder = open_folder(root, file->path, true, &place.name);
	if (place.folder < 0) {
		failure_errno(failure, "make the folder of", file->path);
		return CACHE_FAILED;
	}
	enum cache_result result = copy(&place, file, cache, failure);
	close(place.folder);
	return result;
}

bool
fetch_file_put_text(int root, const char *name, const struct buffer *text, struct failure *failure)
{
	const struct place place = {root, root, name, name};
	int fd = open_temporary(&place, failure);

	if (fd < 0)
		return false;
	bool good = file_write_all(fd, buffer_bytes(text), buffer_size(text)) ||
	            failure_errno(failure, "write", name);
	return close_temporary(fd, good, &place, failure);
}

void
fetch_file_sweep(int root)
{
	unlinkat(root, CATALOGUE_PART_NAME, 0);
}

bool
fetch_file_is_there(int root, const struct catalogue_file *file)
{
	const char *name;
	int folder = open_folder(root, file->path, false, &name);

	if (folder < 0)
		return false;
	bool there = is_there(folder, name, &file->digest);
	close(folder);
	return there;
}

bool
fetch_file_exists(int root, const struct catalogue_file *file)
{
	const char *name;
	int folder = open_folder(root, file->path, false, &name);

	if (folder < 0)
		return false;
	bool exists = faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	close(folder);
	return exists;
}

/* Removes the folders above PATH, the deepest first, as long as they are empty. */
static void
remove_empty_folders(int root, const char *path)
{
	char *above = buffer_strdup(path), *slash;

	while ((slash = strrchr(above, '/')) != NULL) {
		const char *name;
		*slash = '\0';
		int folder = open_folder(root, above, false, &name);
		bool removed = folder >= 0 && unlinkat(folder, name, AT_REMOVEDIR) == 0;
		if (folder >= 0)
			close(folder);
		if (!removed)
			break;
	}
	free(above);
}

bool
fetch_file_remove(int root, const struct catalogue_file *file)
{
	const char *name;
	int folder = open_folder(root, file->path, false, &name);

	if (folder < 0)
		return true;
	bool removed = faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
	if (!removed)
		removed = is_there(folder, name, &file->digest) && unlinkat(folder, name, 0) == 0;
	close(folder);
	if (removed)
		remove_empty_folders(root, file->path);
	return removed;
}
