/*
 * A walk through a folder. Nothing is followed: each entry is opened in the folder that is open
 * already, with O_NOFOLLOW, so that what is read is what lies there.
 */
#include "catalogue_make.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digest.h"

struct walk {
	const char *folder; /* for messages */
	struct catalogue *catalogue;
	size_t capacity; /* of its files */
	struct failure *failure;
};

static bool
fail(const struct walk *walk, const char *path, const char *what)
{
	return failure_set(walk->failure, FAILURE_LOCAL, "%s/%s: %s", walk->folder, path, what);
}

static bool
add_file(struct walk *walk, int fd, const char *path)
{
	struct catalogue *catalogue = walk->catalogue;
	const char *defect = catalogue_path_defect(path);

	if (defect != NULL)
		return fail(walk, path, defect);
	if (catalogue->file_count == CATALOGUE_MAX_FILES)
		return fail(walk, path, "more files than a catalogue may have");
	if (catalogue->file_count == walk->capacity) {
		walk->capacity = walk->capacity * 2 + 64;
		catalogue->files =
		    reallocarray(catalogue->files, walk->capacity, sizeof *catalogue->files);
		if (catalogue->files == NULL)
			abort();
	}
	struct catalogue_file *file = &catalogue->files[catalogue->file_count];
	if (!digest_of_file(fd, &file->digest))
		return fail(walk, path, strerror(errno));
	file->path = buffer_strdup(path);
	catalogue->file_count++;
	return true;
}

static bool add_folder(struct walk *walk, int fd, const char *path);

static bool
add_entry(struct walk *walk, int folder, const char *name, const char *path)
{
	struct stat st;
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return fail(walk, path, errno == ELOOP ? "is a symbolic link" : strerror(errno));
	if (fstat(fd, &st) != 0)
		abort(); /* it is open */
	if (S_ISDIR(st.st_mode))
		return add_folder(walk, fd, path);
	bool done = S_ISREG(st.st_mode) ? add_file(walk, fd, path)
	                                : fail(walk, path, "is neither a file nor a folder");
	close(fd);
	return done;
}

static bool
is_passed_over(const char *path)
{
	return strcmp(path, CATALOGUE_NAME) == 0 || strcmp(path, CATALOGUE_SIGNATURE_NAME) == 0;
}

/* Takes over FD. PATH is "" for the folder that the walk began with. */
static bool
add_folder(struct walk *walk, int fd, const char *path)
{
	bool done = true;
	DIR *stream = fdopendir(fd);

	if (stream == NULL) {
		close(fd);
		return fail(walk, path, strerror(errno));
	}
	const struct dirent *entry;
	/* cppcheck-suppress readdirCalled ; the stream is this call's own */
	while (errno = 0, done && (entry = readdir(stream)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		char *below = buffer_text("%s%s%s", path, *path != '\0' ? "/" : "", entry->d_name);
		done = is_passed_over(below) || add_entry(walk, fd, entry->d_name, below);
		free(below);
	}
	if (done && errno != 0)
		done = fail(walk, path, strerror(errno));
	closedir(stream);
	return done;
}

static bool
settle(struct catalogue *catalogue, const char *folder, struct failure *failure)
{
	char defect[CATALOGUE_DEFECT_MAX];

	return catalogue_settle(catalogue, defect) ||
	       failure_set(failure, FAILURE_CATALOGUE, "%s %s", folder, defect);
}

struct catalogue *
catalogue_make(const char *folder, struct failure *failure)
{
	struct walk walk = {folder, buffer_alloc(sizeof *walk.catalogue), 0, failure};
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		failure_set(failure, FAILURE_LOCAL, "cannot open %s: %s", folder, strerror(errno));
	else if (add_folder(&walk, fd, "") && settle(walk.catalogue, folder, failure))
		return walk.catalogue;
	catalogue_free(walk.catalogue);
	return NULL;
}
