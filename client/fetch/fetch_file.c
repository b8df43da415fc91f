/*
 * Files in the folder. The hard part is that every folder on the way is opened by itself, so that
 * no link leads out of the one that is locked.
 */
#include "fetch_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "crypto/digest.h"

enum { PIECE = 64 * 1024 /* bytes that are compared at a time */ };

int
fetch_file_open_folder(int root, const char *path, const char **name)
{
	int folder = root >= 0 ? fcntl(root, F_DUPFD_CLOEXEC, 0) : -1;

	*name = path;
	if (root < 0)
		errno = ENOENT;
	for (const char *slash; folder >= 0 && (slash = strchr(*name, '/')) != NULL;) {
		char *segment = buffer_copy(*name, (size_t)(slash - *name));
		int next = openat(folder, segment, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
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

static bool
is_link(int folder, const char *name, const char *target)
{
	char found[PATH_MAX];
	ssize_t len = readlinkat(folder, name, found, sizeof found);

	return len >= 0 && (size_t)len == strlen(target) && memcmp(found, target, (size_t)len) == 0;
}

static bool
is_folder(int folder, const char *name)
{
	struct stat st;

	return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool
is_entry(int folder, const char *name, const struct catalogue_file *file)
{
	switch (file->kind) {
	case CATALOGUE_FILE:
		return is_there(folder, name, &file->digest);
	case CATALOGUE_LINK:
		return is_link(folder, name, file->target);
	case CATALOGUE_FOLDER:
		return is_folder(folder, name);
	}
	abort();
}

bool
fetch_file_is_at(int root, const char *where, const struct catalogue_file *file)
{
	const char *name;
	int folder = fetch_file_open_folder(root, where, &name);

	if (folder < 0)
		return false;
	bool there = is_entry(folder, name, file);
	close(folder);
	return there;
}

bool
fetch_file_is_there(int root, const struct catalogue_file *file)
{
	return fetch_file_is_at(root, file->path, file);
}

bool
fetch_file_looks_right(int root, const struct catalogue_file *file)
{
	const char *name;
	struct stat st;
	int folder = fetch_file_open_folder(root, file->path, &name);

	if (folder < 0)
		return false;
	bool right = file->kind != CATALOGUE_FILE
	                 ? is_entry(folder, name, file)
	                 : fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	                       S_ISREG(st.st_mode) &&
	                       (file->config || (uint64_t)st.st_size == file->digest.size);
	close(folder);
	return right;
}

int
fetch_file_mode(int root, const char *path)
{
	const char *name;
	struct stat st;
	int folder = fetch_file_open_folder(root, path, &name);

	if (folder < 0)
		return -1;
	bool regular = fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
	close(folder);
	return regular ? (int)(st.st_mode & 0777) : -1;
}

bool
fetch_file_fits(int root, const struct catalogue_file *file, const struct catalogue_file *old)
{
	bool was = old != NULL && old->executable;

	if (!fetch_file_is_there(root, file))
		return false;
	if (file->kind != CATALOGUE_FILE || file->executable == was)
		return true;
	return ((fetch_file_mode(root, file->path) & S_IXUSR) != 0) == file->executable;
}

bool
fetch_file_exists(int root, const char *path)
{
	const char *name;
	int folder = fetch_file_open_folder(root, path, &name);

	if (folder < 0)
		return false;
	bool exists = faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	close(folder);
	return exists;
}

bool
fetch_file_is_file_or_link(int root, const char *path)
{
	const char *name;
	struct stat st;
	int folder = fetch_file_open_folder(root, path, &name);

	if (folder < 0)
		return false;
	bool is = fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	          (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode));
	close(folder);
	return is;
}

/* ---- two files ------------------------------------------------------------------------------- */

static bool
have_same_bytes(int a, int b)
{
	char *pieces = buffer_alloc(2 * (size_t)PIECE);
	ssize_t len;
	bool same;

	do {
		len = read(a, pieces, PIECE);
		ssize_t there = 0, more = len;
		while (there < len && more > 0) {
			more = read(b, pieces + PIECE + there, (size_t)(len - there));
			there += more > 0 ? more : 0;
		}
		same = len >= 0 && there == len &&
		       memcmp(pieces, pieces + PIECE, (size_t)(len > 0 ? len : 0)) == 0;
	} while (same && len > 0);
	free(pieces);
	return same;
}

static int
open_regular(int folder, const char *name, struct stat *st)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && (fstat(fd, st) != 0 || !S_ISREG(st->st_mode))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool
is_same_file(int a, const char *a_name, int b, const char *b_name)
{
	struct stat a_st, b_st;
	int a_fd = open_regular(a, a_name, &a_st), b_fd = open_regular(b, b_name, &b_st);
	bool same =
	    a_fd >= 0 && b_fd >= 0 && a_st.st_size == b_st.st_size && have_same_bytes(a_fd, b_fd);

	if (a_fd >= 0)
		close(a_fd);
	if (b_fd >= 0)
		close(b_fd);
	return same;
}

static bool
is_same_link(int a, const char *a_name, int b, const char *b_name)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(a, a_name, target, sizeof target - 1);

	target[len > 0 ? len : 0] = '\0';
	return len > 0 && is_link(b, b_name, target);
}

bool
fetch_file_is_same(int root, const char *path, int other_root, const char *other_path)
{
	const char *a_name, *b_name;
	int a = fetch_file_open_folder(root, path, &a_name);
	int b = fetch_file_open_folder(other_root, other_path, &b_name);
	bool same = a >= 0 && b >= 0 &&
	            (is_same_file(a, a_name, b, b_name) || is_same_link(a, a_name, b, b_name));

	if (a >= 0)
		close(a);
	if (b >= 0)
		close(b);
	return same;
}

/* ---- removing -------------------------------------------------------------------------------- */

/* Removes the folders above PATH, the deepest first, as long as they are empty and KEEP has nothing
 * below them. */
static void
remove_empty_folders(int root, const char *path, const struct fetch_names *keep)
{
	char *above = buffer_strdup(path), *slash;

	while ((slash = strrchr(above, '/')) != NULL) {
		const char *name;
		*slash = '\0';
		if (fetch_names_has_below(keep, above, strlen(above)))
			break;
		int folder = fetch_file_open_folder(root, above, &name);
		bool removed = folder >= 0 && unlinkat(folder, name, AT_REMOVEDIR) == 0;
		if (folder >= 0)
			close(folder);
		if (!removed)
			break;
	}
	free(above);
}

void
fetch_file_unlink(int root, const char *path)
{
	const char *name;
	int folder = fetch_file_open_folder(root, path, &name);

	if (folder >= 0) {
		unlinkat(folder, name, 0);
		close(folder);
	}
}

bool
fetch_file_remove(int root, const struct catalogue_file *file, const struct fetch_names *keep)
{
	const char *name;
	int folder = fetch_file_open_folder(root, file->path, &name);

	if (folder < 0)
		return true;
	bool removed = faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
	if (!removed)
		removed = is_entry(folder, name, file) &&
		          unlinkat(folder, name,
		              file->kind == CATALOGUE_FOLDER ? AT_REMOVEDIR : 0) == 0 &&
		          fsync(folder) == 0;
	close(folder);
	if (removed)
		remove_empty_folders(root, file->path, keep);
	return removed;
}

char *
fetch_file_name_aside(const char *last, unsigned n)
{
	char *ending = n == 0 ? buffer_text(".orig") : buffer_text(".orig.%u", n);
	size_t len = strlen(last), most = NAME_MAX - strlen(ending);

	if (len > most)
		len = most;
	while (len > 0 && ((unsigned char)last[len] & 0xc0) == 0x80)
		len--; /* in the middle of a character */
	char *name = buffer_text("%.*s%s", (int)len, last, ending);
	free(ending);
	return name;
}
