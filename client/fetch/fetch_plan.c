/*
 * The plan. The hard part is that what stands in the way now may be due to go: a file of the old
 * version in whose place the new one has a folder, and the other way round.
 */
#include "fetch_plan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "fetch_file.h"

/* What is found under a name. */
enum found { FOUND_NOTHING, FOUND_FOLDER, FOUND_FILE, FOUND_LINK, FOUND_OTHER_DISK, FOUND_FAILED };

static enum found
look(int root, const char *path)
{
	const char *name;
	struct stat st, top;
	int folder = fetch_file_open_folder(root, path, &name);

	if (folder < 0)
		return errno == ENOENT || errno == ENOTDIR ? FOUND_NOTHING : FOUND_FAILED;
	int failed = fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ? errno : 0;
	close(folder);
	errno = failed;
	if (failed != 0)
		return failed == ENOENT ? FOUND_NOTHING : FOUND_FAILED;
	if (S_ISLNK(st.st_mode))
		return FOUND_LINK;
	if (!S_ISDIR(st.st_mode))
		return FOUND_FILE;
	if (fstat(root, &top) != 0)
		return FOUND_FAILED;
	return st.st_dev == top.st_dev ? FOUND_FOLDER : FOUND_OTHER_DISK;
}

/* True when the file at PATH will have been removed before the new ones come. */
static bool
is_due(const struct fetch_plan *self, const char *path)
{
	const struct fetch_names *lists[] = {self->old, self->pending};

	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		const struct catalogue_file *file = fetch_names_find(lists[i], path, strlen(path));
		if (file != NULL && fetch_file_is_there(self->root, file))
			return true;
	}
	return false;
}

static bool is_due_folder(const struct fetch_plan *self, const char *path);

/* The same for the entry NAME of the folder PATH. */
static bool
is_due_entry(const struct fetch_plan *self, const char *path, const char *name)
{
	char *inner = buffer_text("%s/%s", path, name);
	enum found found = look(self->root, inner);
	bool due = found == FOUND_FOLDER
	               ? is_due_folder(self, inner)
	               : (found == FOUND_FILE || found == FOUND_LINK) && is_due(self, inner);

	free(inner);
	return due;
}

/* The same for a folder: it goes with its last file. One without any is somebody's own. */
static bool
is_due_folder(const struct fetch_plan *self, const char *path)
{
	const char *name;
	const struct dirent *entry;
	int above = fetch_file_open_folder(self->root, path, &name);
	int folder =
	    above >= 0 ? openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
	DIR *stream = folder >= 0 ? fdopendir(folder) : NULL;
	size_t entries = 0;
	bool due = stream != NULL;

	if (above >= 0)
		close(above);
	if (folder >= 0 && stream == NULL)
		close(folder);
	/* cppcheck-suppress readdirCalled ; the stream is this call's own */
	while (due && (errno = 0, entry = readdir(stream)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		entries++;
		due = is_due_entry(self, path, entry->d_name);
	}
	due = due && errno == 0 && (entries > 0 || is_due(self, path));
	if (stream != NULL)
		closedir(stream);
	return due;
}

static bool
refuse(const struct fetch_plan *self, const char *path, const char *wanted, const char *what,
    struct failure *failure)
{
	return failure_set(failure, FAILURE_LOCAL,
	    "cannot write %s: %s/%s %s; nothing was changed: move it away, and try again", wanted,
	    self->folder, path, what);
}

static void
add_folder(struct fetch_plan *self, const char *path)
{
	self->folders = reallocarray(self->folders, self->folder_count + 1, sizeof *self->folders);
	if (self->folders == NULL)
		abort();
	self->folders[self->folder_count++] = buffer_strdup(path);
}

/* PATH must be a folder for the file WANTED. *MISSING is set when it has to be made. */
static bool
plan_folder(struct fetch_plan *self, const char *path, const char *wanted, bool *missing,
    struct failure *failure)
{
	switch (*missing ? FOUND_NOTHING : look(self->root, path)) {
	case FOUND_FOLDER:
		return true;
	case FOUND_FILE:
		if (!is_due(self, path))
			return refuse(self, path, wanted, "is no folder", failure);
		break;
	case FOUND_NOTHING:
		break;
	case FOUND_LINK:
		if (!is_due(self, path))
			return refuse(self, path, wanted, "is a symbolic link", failure);
		break;
	case FOUND_OTHER_DISK:
		return refuse(self, path, wanted, "is on another file system", failure);
	case FOUND_FAILED:
		return failure_errno(failure, "look at", path);
	}
	*missing = true;
	add_folder(self, path);
	return true;
}

/* The name WANTED itself. What is a file or a link gives way to the new one. */
static bool
plan_name(const struct fetch_plan *self, const char *wanted, struct failure *failure)
{
	switch (look(self->root, wanted)) {
	case FOUND_FOLDER:
		return is_due_folder(self, wanted) ||
		       refuse(self, wanted, wanted, "is a folder", failure);
	case FOUND_OTHER_DISK:
		return refuse(self, wanted, wanted, "is another file system", failure);
	case FOUND_FAILED:
		return failure_errno(failure, "look at", wanted);
	case FOUND_NOTHING:
	case FOUND_FILE:
	case FOUND_LINK:
		break;
	}
	return true;
}

/* LAST is the path that was planned before: what lies in one folder stands together, so that a
 * folder which both share has been seen. */
static bool
plan_file(struct fetch_plan *self, const char *wanted, const char *last, struct failure *failure)
{
	char *path = buffer_strdup(wanted);
	bool missing = false, done = true;

	for (char *slash = strchr(path, '/'); slash != NULL && done;
	     slash = strchr(slash + 1, '/')) {
		size_t len = (size_t)(slash - path);
		if (strncmp(wanted, last, len + 1) == 0)
			continue;
		*slash = '\0';
		done = plan_folder(self, path, wanted, &missing, failure);
		*slash = '/';
	}
	free(path);
	return done && (missing || plan_name(self, wanted, failure));
}

bool
fetch_plan_make(struct fetch_plan *self, struct failure *failure)
{
	const char *last = "";
	bool done = true;

	for (size_t i = 0; i < self->catalogue->file_count && done; i++) {
		const char *path = self->catalogue->files[i].path;
		if (self->there[i])
			continue;
		char *wanted =
		    buffer_text("%s%s", path, self->beside[i] ? CATALOGUE_CONFIG_SUFFIX : "");
		done = plan_file(self, wanted, last, failure);
		free(wanted);
		if (!done && self->on_obstacle != NULL) {
			self->on_obstacle(self->arg, failure);
			done = true;
		}
		last = path;
	}
	return done;
}

void
fetch_plan_fini(struct fetch_plan *self)
{
	for (size_t i = 0; i < self->folder_count; i++)
		free(self->folders[i]);
	free(self->folders);
	self->folders = NULL;
	self->folder_count = 0;
}
