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

#include "digest.h"

static bool
fail(struct failure *failure, const char *doing, const char *path)
{
	return failure_set(
	    failure, FAILURE_LOCAL, "cannot %s %s: %s", doing, path, strerror(errno));
}

/* Opens the folder below ROOT in which PATH's last segment stands, which *NAME is set to. */
static int
open_folder(int root, const char *path, const char **name, struct failure *failure)
{
	int folder = fcntl(root, F_DUPFD_CLOEXEC, 0);

	*name = path;
	for (const char *slash; folder >= 0 && (slash = strchr(*name, '/')) != NULL;) {
		char *segment = buffer_copy(*name, (size_t)(slash - *name));
		int next = -1;
		if (mkdirat(folder, segment, 0755) == 0 ? fsync(folder) == 0 : errno == EEXIST)
			next = openat(
			    folder, segment, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int saved = errno;
		close(folder);
		free(segment);
		folder = next;
		errno = saved;
		*name = slash + 1;
	}
	if (folder < 0)
		fail(failure, "make the folder of", path);
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

/* Where the copy goes, and from where it moves to its place. */
struct place {
	int root, folder;
	const char *name; /* in the folder */
};

static bool
put_in_place(
    int fd, const struct catalogue_file *file, const struct place *place, struct failure *failure)
{
	if (fsync(fd) != 0 ||
	    renameat(place->root, CATALOGUE_PART_NAME, place->folder, place->name) != 0 ||
	    fsync(place->folder) != 0)
		return fail(failure, "write", file->path);
	return true;
}

static enum fetch_file_result
copy(const struct place *place, const struct catalogue_file *file, struct cache *cache,
    struct failure *failure)
{
	enum fetch_file_result result = FETCH_FILE_FAILED;
	int fd =
	    openat(place->root, CATALOGUE_PART_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0) {
		fail(failure, "make the temporary file for", file->path);
		return FETCH_FILE_FAILED;
	}
	enum cache_result copied = cache_copy(cache, &file->digest, fd, failure);
	if (copied == CACHE_ABSENT)
		result = FETCH_FILE_ABSENT;
	else if (copied == CACHE_DONE && put_in_place(fd, file, place, failure))
		result = FETCH_FILE_COPIED;
	close(fd);
	if (result != FETCH_FILE_COPIED)
		unlinkat(place->root, CATALOGUE_PART_NAME, 0);
	return result;
}

enum fetch_file_result
fetch_file(
    int root, const struct catalogue_file *file, struct cache *cache, struct failure *failure)
{
	struct place place = {.root = root};
	enum fetch_file_result result = FETCH_FILE_KEPT;

	place.folder = open_folder(root, file->path, &place.name, failure);
	if (place.folder < 0)
		return FETCH_FILE_FAILED;
	if (!is_there(place.folder, place.name, &file->digest))
		result = copy(&place, file, cache, failure);
	close(place.folder);
	return result;
}
