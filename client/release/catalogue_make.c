/*
 * A walk through a folder. Nothing is followed: each entry is opened in the folder that is open
 * already, with O_NOFOLLOW, so that what is read is what lies there.
 */
#include "catalogue_make.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/unicode.h"
#include "base/utf8.h"
#include "client/common/report.h"
#include "crypto/digest.h"

struct walk {
	const char *folder; /* for messages */
	struct catalogue *catalogue;
	size_t capacity; /* of its files */
	size_t refused;  /* entries that no catalogue can have; all are told */
	struct failure *failure;
};

static bool
fail(const struct walk *walk, const char *path, const char *what)
{
	return failure_set(walk->failure, FAILURE_LOCAL, "%s/%s: %s", walk->folder, path, what);
}

/* The walk goes on after it: each entry gets a line, the last one main()'s. */
static bool
refuse(struct walk *walk, const char *path, const char *what)
{
	if (walk->refused++ > 0)
		report_failure(walk->failure, false);
	fail(walk, path, what);
	return true;
}

/* Names the first character of PATH that no path may have, if that is what is wrong. */
static void
print_culprit(const char *path, struct buffer *out)
{
	const unsigned char *at = (const unsigned char *)path, *end = at + strlen(path);

	while (at < end) {
		const char *first = (const char *)at;
		long c = utf8_next(&at, end);
		char alone[] = {'/', 'x', '\0', '\0', '\0', '\0', 'x', '\0'};
		size_t len = (size_t)((const char *)at - first);
		memcpy(alone + 2, first, len);
		alone[2 + len] = 'x';
		if (path_defect(alone, 3 + len) == NULL)
			continue;
		if (c < 0)
			buffer_printf(out, ": the byte 0x%02x", *(const unsigned char *)first);
		else if (unicode_is_printable(c))
			buffer_printf(out, ": %.*s (U+%04lX)", (int)len, first, c);
		else
			buffer_printf(out, ": U+%04lX", c);
		return;
	}
}

static bool
refuse_name(struct walk *walk, const char *path, const char *defect)
{
	struct buffer text = {0};

	buffer_printf(&text, "%s", defect);
	print_culprit(path, &text);
	buffer_append(&text, "", 1);
	refuse(walk, path, buffer_bytes(&text));
	buffer_fini(&text);
	return true;
}

/* Begins the entry PATH, which does not count yet. *FILE is NULL when no catalogue can have it,
 * which was told. False, with the failure filled, ends the walk. */
static bool
begin_entry(struct walk *walk, const char *path, struct catalogue_file **file)
{
	struct catalogue *catalogue = walk->catalogue;
	const char *defect = catalogue_path_defect(path);

	*file = NULL;
	if (defect != NULL)
		return refuse_name(walk, path, defect);
	if (catalogue->file_count == CATALOGUE_MAX_FILES)
		return failure_set(walk->failure, FAILURE_LOCAL,
		    "%s: more than %d files, links and empty folders, which is the most that a "
		    "catalogue may have",
		    walk->folder, CATALOGUE_MAX_FILES);
	if (catalogue->file_count == walk->capacity) {
		walk->capacity = walk->capacity * 2 + 64;
		catalogue->files =
		    reallocarray(catalogue->files, walk->capacity, sizeof *catalogue->files);
		if (catalogue->files == NULL)
			abort();
	}
	*file = &catalogue->files[catalogue->file_count];
	**file = (struct catalogue_file){0};
	return true;
}

static void
end_entry(struct walk *walk, struct catalogue_file *file, const char *path)
{
	file->path = buffer_strdup(path);
	walk->catalogue->file_count++;
}

/* True when what was read need not be what ST found, nor what any moment had. */
static bool
has_changed(int fd, const struct stat *st, const struct digest *digest)
{
	struct stat now;

	if (fstat(fd, &now) != 0)
		abort(); /* it is open */
	return digest->size != (uint64_t)st->st_size || now.st_size != st->st_size ||
	       now.st_mtim.tv_sec != st->st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != st->st_mtim.tv_nsec;
}

static bool
add_file(struct walk *walk, int fd, const struct stat *st, const char *path)
{
	struct catalogue_file *file;

	if ((st->st_mode & (S_ISUID | S_ISGID)) != 0)
		return refuse(walk, path, "is setuid or setgid: no release may have that");
	if (!begin_entry(walk, path, &file))
		return false;
	if (file == NULL)
		return true;
	if (!digest_of_file(fd, &file->digest))
		return fail(walk, path, strerror(errno));
	if (has_changed(fd, st, &file->digest))
		return fail(walk, path, "changed while it was read: let nothing write there");
	file->mtime = st->st_mtime > 0 ? st->st_mtime : 0;
	file->executable = (st->st_mode & S_IXUSR) != 0;
	walk->catalogue->rich |= file->executable;
	end_entry(walk, file, path);
	return true;
}

static bool
add_link(struct walk *walk, int folder, const char *name, const char *path)
{
	char target[PATH_MAX];
	struct catalogue_file *file;
	ssize_t len = readlinkat(folder, name, target, sizeof target - 1);

	if (len < 0)
		return fail(walk, path, strerror(errno));
	target[len] = '\0';
	const char *defect = catalogue_target_defect(path, target);
	if (defect != NULL)
		return refuse(walk, path, defect);
	if (!begin_entry(walk, path, &file))
		return false;
	if (file == NULL)
		return true;
	file->kind = CATALOGUE_LINK;
	file->target = buffer_strdup(target);
	walk->catalogue->rich = true;
	end_entry(walk, file, path);
	return true;
}

static bool
add_empty(struct walk *walk, const char *path)
{
	struct catalogue_file *file;

	if (!begin_entry(walk, path, &file))
		return false;
	if (file == NULL)
		return true;
	file->kind = CATALOGUE_FOLDER;
	walk->catalogue->rich = true;
	end_entry(walk, file, path);
	return true;
}

static bool add_folder(struct walk *walk, int fd, const char *path);

static bool
add_entry(struct walk *walk, int folder, const char *name, const char *path)
{
	struct stat st;
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return errno == ELOOP ? add_link(walk, folder, name, path)
		                      : fail(walk, path, strerror(errno));
	if (fstat(fd, &st) != 0)
		abort(); /* it is open */
	if (S_ISDIR(st.st_mode))
		return add_folder(walk, fd, path);
	bool done = S_ISREG(st.st_mode) ? add_file(walk, fd, &st, path)
	                                : refuse(walk, path, "is neither a file nor a folder");
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
	size_t entries = 0;
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
		entries++;
		char *below = buffer_text("%s%s%s", path, *path != '\0' ? "/" : "", entry->d_name);
		done = is_passed_over(below) || add_entry(walk, fd, entry->d_name, below);
		free(below);
	}
	if (done && errno != 0)
		done = fail(walk, path, strerror(errno));
	closedir(stream);
	if (done && entries == 0 && *path != '\0')
		done = add_empty(walk, path);
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
	struct walk walk = {
	    .folder = folder,
	    .catalogue = buffer_alloc(sizeof *walk.catalogue),
	    .failure = failure,
	};
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		failure_set(failure, FAILURE_LOCAL, "cannot open %s: %s", folder, strerror(errno));
	else if (add_folder(&walk, fd, "") && walk.refused == 0 &&
	         settle(walk.catalogue, folder, failure))
		return walk.catalogue;
	catalogue_free(walk.catalogue);
	return NULL;
}
