/* Going through a cache. Nothing is hard here: what is no folder, or has no name of ours, is not
 * ours and stays as it is. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cache_private.h"

#define HEX "0123456789abcdef"

bool
cache_walk_is_object_name(const char *name, size_t len)
{
	return strlen(name) == len + 3 && name[2] == '/' && strspn(name + 3, HEX) == len &&
	       strncmp(name, name + 3, 2) == 0;
}

static DIR *
open_stream(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;

	if (stream == NULL && fd >= 0)
		close(fd);
	return stream;
}

/* NAME is "AB". */
static bool
walk_one(struct cache *self, int folder, const char *name, cache_visit *visit, void *arg,
    struct failure *failure)
{
	char path[2 + 1 + NAME_MAX + 1];
	bool done = true;
	const struct dirent *entry;
	DIR *stream = open_stream(folder, name);

	if (stream == NULL)
		return cache_fail(self, failure, "read", name);
	/* cppcheck-suppress readdirCalled ; the stream is this call's own */
	while (done && (errno = 0, entry = readdir(stream)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%.2s/%s", name, entry->d_name);
		done = visit(arg, path, failure);
	}
	if (done && errno != 0)
		done = cache_fail(self, failure, "read", name);
	closedir(stream);
	return done;
}

bool
cache_walk(struct cache *self, enum cache_folder folder, cache_visit *visit, void *arg,
    struct failure *failure)
{
	bool done = true;
	const struct dirent *entry;
	DIR *stream = open_stream(self->folders[folder], ".");

	if (stream == NULL)
		return cache_fail(self, failure, "read", "");
	/* cppcheck-suppress readdirCalled ; the stream is this call's own */
	while (done && (errno = 0, entry = readdir(stream)) != NULL) {
		if (strlen(entry->d_name) == 2 && strspn(entry->d_name, HEX) == 2)
			done = walk_one(
			    self, self->folders[folder], entry->d_name, visit, arg, failure);
	}
	if (done && errno != 0)
		done = cache_fail(self, failure, "read", "");
	closedir(stream);
	return done;
}
