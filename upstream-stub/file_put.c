/*
 * Uploads. The one hard part is the order: content to a temporary file, fsync, rename without
 * replacing, fsync of the folder. Only then may the answer say that the file is there.
 */
#include "file_put.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_store.h"

#define TEMP_NAME_SIZE 64

static bool
has_content(int fd, const char *data, size_t len)
{
	char piece[16 * 1024];
	struct stat st;
	size_t done = 0;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size != len)
		return false;
	while (done < len) {
		ssize_t n = read(fd, piece, sizeof piece);

		if (n <= 0 || (size_t)n > len - done || memcmp(piece, data + done, (size_t)n) != 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

/* What is under that name already; FILE_PUT_CREATED stands for: nothing. The same is as new from
 * now on, as with stores that write it anew: whoever sent it has been seen. Where its owner is
 * another one its time stays, and the content is safe all the same. */
static enum file_put_result
compare_existing(int folder, const char *name, const void *data, size_t len)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool same;

	if (fd < 0)
		return errno == ENOENT ? FILE_PUT_CREATED : FILE_PUT_CONFLICT;
	same = has_content(fd, data, len);
	if (same)
		(void)futimens(fd, NULL);
	close(fd);
	return same ? FILE_PUT_SAME : FILE_PUT_CONFLICT;
}

static int
write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return fsync(fd);
}

/* A name that a crash left behind is passed over. */
static int
create_temp(int folder, char *name)
{
	static unsigned long count;
	int fd;

	do {
		snprintf(name, TEMP_NAME_SIZE, ".put-%ld-%lu.tmp", (long)getpid(), count++);
		fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	} while (fd < 0 && errno == EEXIST);
	return fd;
}

static int
write_temp(int folder, char *name, const void *data, size_t len)
{
	int fd = create_temp(folder, name);
	int result, saved;

	if (fd < 0)
		return -1;
	result = write_all(fd, data, len);
	saved = errno;
	if (close(fd) != 0 && result == 0) {
		saved = errno;
		result = -1;
	}
	if (result != 0)
		unlinkat(folder, name, 0);
	errno = saved;
	return result;
}

static enum file_put_result
create_file(int folder, const char *name, const void *data, size_t len)
{
	char temp[TEMP_NAME_SIZE];

	if (write_temp(folder, temp, data, len) != 0)
		return FILE_PUT_FAILED;
	if (renameat2(folder, temp, folder, name, RENAME_NOREPLACE) != 0) {
		int saved = errno;

		unlinkat(folder, temp, 0);
		errno = saved;
		return saved == EEXIST ? FILE_PUT_CONFLICT : FILE_PUT_FAILED;
	}
	return fsync(folder) == 0 ? FILE_PUT_CREATED : FILE_PUT_FAILED;
}

enum file_put_result
file_put(const struct file_store *store, const char *path, const void *data, size_t len)
{
	enum file_put_result result;
	const char *name;
	int folder = file_store_open_folder(store, path, true, &name);
	int saved;

	if (folder < 0)
		return errno == ENOTDIR || errno == ELOOP ? FILE_PUT_CONFLICT : FILE_PUT_FAILED;
	result = compare_existing(folder, name, data, len);
	if (result == FILE_PUT_CREATED)
		result = create_file(folder, name, data, len);
	saved = errno;
	close(folder);
	errno = saved;
	return result;
}
