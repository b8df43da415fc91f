/*
 * Downloading one file.
 *
 * The hard part is that nothing is believed: what comes is counted and digested as it is written,
 * a part that is resumed goes on only when its ETag still holds, and a server that sends other
 * bytes than the catalogue's, however often it is asked, changes nothing under a final name.
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

enum { ETAG_MAX = 256 };

struct part {
	const struct catalogue_file *file;
	int fd;
	struct digest_run *run; /* over the bytes that are in the file */
	uint64_t size;          /* of them */
	char etag[ETAG_MAX];    /* of the answer they came with; "" when it had none */
};

static bool
fail(struct failure *failure, const char *doing, const char *path)
{
	return failure_set(
	    failure, FAILURE_LOCAL, "cannot %s %s: %s", doing, path, strerror(errno));
}

/* --- the sink of the download */

static uint64_t
on_resume(void *arg, const char **etag)
{
	const struct part *part = arg;

	*etag = part->etag;
	return part->etag[0] != '\0' && part->size < part->file->digest.size ? part->size : 0;
}

static bool
on_begin(void *arg, uint64_t offset, const char *etag, struct failure *failure)
{
	struct part *part = arg;

	if (offset == 0) {
		digest_run_free(part->run);
		part->run = digest_run_new();
		part->size = 0;
		if (ftruncate(part->fd, 0) != 0 || lseek(part->fd, 0, SEEK_SET) != 0)
			return fail(failure, "write", part->file->path);
	}
	bool fits = etag != NULL && strlen(etag) < sizeof part->etag;
	snprintf(part->etag, sizeof part->etag, "%s", fits ? etag : "");
	return true;
}

static bool
on_take(void *arg, const char *bytes, size_t len, struct failure *failure)
{
	struct part *part = arg;

	if (len > part->file->digest.size - part->size)
		return failure_set(failure, FAILURE_ANSWER,
		    "the server sends more than the %llu bytes of %s",
		    (unsigned long long)part->file->digest.size, part->file->path);
	digest_run_add(part->run, bytes, len);
	part->size += len;
	while (len > 0) {
		ssize_t n = write(part->fd, bytes, len);
		if (n < 0 && errno != EINTR)
			return fail(failure, "write", part->file->path);
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return true;
}

static bool
is_same(const struct digest *a, const struct digest *b)
{
	return a->size == b->size && strcmp(a->sha256, b->sha256) == 0 &&
	       strcmp(a->sha1, b->sha1) == 0;
}

/* Wrong bytes may come from a file that was changed between two tries: once all of it is asked for
 * again, from the beginning. */
static bool
on_end(void *arg, struct failure *failure)
{
	struct part *part = arg;
	struct digest digest;

	digest_run_finish(part->run, &digest);
	if (is_same(&digest, &part->file->digest))
		return true;
	part->etag[0] = '\0';
	digest_run_free(part->run);
	part->run = digest_run_new();
	part->size = 0;
	failure_set(failure, FAILURE_ANSWER, "what the server sends for %s is not the catalogue's",
	    part->file->path);
	failure->passes = true;
	return false;
}

/* --- places */

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
	            is_same(&digest, wanted);
	close(fd);
	return same;
}

/* Where a download goes, and from where it moves to its place. */
struct place {
	int root, folder;
	const char *name; /* in the folder */
};

static bool
put_in_place(const struct part *part, const struct place *place, struct failure *failure)
{
	if (fsync(part->fd) != 0 ||
	    renameat(place->root, CATALOGUE_PART_NAME, place->folder, place->name) != 0 ||
	    fsync(place->folder) != 0)
		return fail(failure, "write", part->file->path);
	return true;
}

static bool
download(const struct place *place, const struct catalogue_file *file, const char *url_path,
    struct https *https, struct failure *failure)
{
	struct part part = {.file = file, .run = digest_run_new()};
	const struct https_sink sink = {&part, on_resume, on_begin, on_take, on_end};

	part.fd =
	    openat(place->root, CATALOGUE_PART_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	bool done = part.fd >= 0
	                ? https_download(https, url_path, file->digest.size, &sink, failure)
	                : fail(failure, "make the temporary file for", file->path);
	done = done && put_in_place(&part, place, failure);
	if (part.fd >= 0)
		close(part.fd);
	if (!done)
		unlinkat(place->root, CATALOGUE_PART_NAME, 0);
	digest_run_free(part.run);
	return done;
}

bool
fetch_file(int root, const struct catalogue_file *file, const char *url_path, struct https *https,
    bool *loaded, struct failure *failure)
{
	struct place place = {.root = root};

	place.folder = open_folder(root, file->path, &place.name, failure);
	if (place.folder < 0)
		return false;
	*loaded = !is_there(place.folder, place.name, &file->digest);
	bool done = !*loaded || download(&place, file, url_path, https, failure);
	close(place.folder);
	return done;
}
