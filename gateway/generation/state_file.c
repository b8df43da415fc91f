/*
 * Files in state_dir. The hard part is the order: the bytes are on the disk before they have the
 * name, and the name before anybody is told.
 */
#include "state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { NAME_SIZE = 64 };

bool
state_file_may_exist(const char *path)
{
	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

static bool
write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

static bool
write_synced(int folder, const char *name, const char *bytes, size_t len)
{
	/* A run that was killed may have left one. */
	if (unlinkat(folder, name, 0) != 0 && errno != ENOENT)
		return false;
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	bool good = write_all(fd, bytes, len) && fsync(fd) == 0;
	return close(fd) == 0 && good;
}

bool
state_file_write(const char *dir, const char *name, const char *bytes, size_t len)
{
	char new_name[NAME_SIZE];
	int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0)
		return false;
	(void)snprintf(new_name, sizeof new_name, "%s.new", name);
	bool good = write_synced(folder, new_name, bytes, len) &&
	            renameat(folder, new_name, folder, name) == 0 && fsync(folder) == 0;
	int reason = errno;
	close(folder);
	errno = reason;
	return good;
}
