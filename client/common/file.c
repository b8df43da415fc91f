/* Files that are whole or absent. The one hard part is the order: content, fsync, rename, fsync of
 * the folder. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
read_all(int fd, size_t max, struct buffer *content)
{
	for (;;) {
		ssize_t n = read(fd, buffer_reserve(content, 64 * 1024), 64 * 1024);
		if (n == 0)
			return true;
		if (n < 0 && errno != EINTR)
			return false;
		buffer_commit(content, n > 0 ? (size_t)n : 0);
		if (buffer_size(content) > max) {
			errno = EFBIG;
			return false;
		}
	}
}

bool
file_read_fd(int fd, const char *name, size_t max, struct buffer *content, struct failure *failure)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
		return failure_set(failure, FAILURE_LOCAL, "%s is not a regular file", name);
	if (read_all(fd, max, content))
		return true;
	failure_errno(failure, "read", name);
	buffer_fini(content);
	return false;
}

bool
file_read(const char *name, size_t max, struct buffer *content, struct failure *failure)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return failure_errno(failure, "open", name);
	bool done = file_read_fd(fd, name, max, content, failure);
	close(fd);
	return done;
}

bool
file_write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return true;
}

static bool
sync_folder_of(const char *name)
{
	const char *slash = strrchr(name, '/');
	char *folder =
	    slash == NULL ? buffer_strdup(".") : buffer_copy(name, (size_t)(slash - name) + 1);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool done = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	free(folder);
	return done;
}

bool
file_write(const char *name, const struct buffer *content, struct failure *failure)
{
	char *temp = buffer_text("%s.XXXXXX", name);
	int fd = mkostemp(temp, O_CLOEXEC);
	bool made = fd >= 0, renamed = false;

	if (made) {
		bool written = file_write_all(fd, buffer_bytes(content), buffer_size(content)) &&
		               fchmod(fd, 0644) == 0 && fsync(fd) == 0;
		renamed = close(fd) == 0 && written && rename(temp, name) == 0;
	}
	bool done = renamed && sync_folder_of(name);
	if (!done)
		failure_errno(failure, "write", name);
	if (made && !renamed)
		unlink(temp);
	free(temp);
	return done;
}

bool
file_holds(const char *folder, const char *name, const struct buffer *content)
{
	struct failure unreadable;
	struct buffer there = {0};
	char *file = buffer_text("%s/%s", folder, name);
	bool same = file_read(file, buffer_size(content), &there, &unreadable) &&
	            buffer_size(&there) == buffer_size(content) &&
	            memcmp(buffer_bytes(&there), buffer_bytes(content), buffer_size(content)) == 0;

	buffer_fini(&there);
	free(file);
	return same;
}

int
file_open_nearest(const char *name)
{
	char *at = buffer_strdup(name);
	int folder = -1;

	while ((folder = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 && errno == ENOENT) {
		char *slash = strrchr(at, '/');
		if (slash == NULL) {
			folder = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			break;
		}
		slash[slash == at && slash[1] != '\0'] = '\0';
	}
	int saved = errno;
	free(at);
	errno = saved;
	return folder;
}
