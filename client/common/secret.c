/* Secrets in files. The hard part is who else could have read or written one. */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"

enum { SECRET_MAX_BYTES = 1024 };

static const char mark[] = "\xef\xbb\xbf"; /* UTF-8's byte order mark */

static const char *
access_defect(const struct stat *status)
{
	if (!S_ISREG(status->st_mode))
		return "is not a regular file";
	if (status->st_uid != geteuid() && status->st_uid != 0)
		return "belongs to another user";
	if ((status->st_mode & (S_IWGRP | S_IRWXO)) != 0)
		return "is open to others: chmod 600";
	return NULL;
}

/* The line in the LEN bytes of TEXT, which a NUL follows; NULL when they are no line. */
static char *
line_of(const char *text, size_t len)
{
	if (len >= 3 && memcmp(text, mark, 3) == 0) {
		text += 3;
		len -= 3;
	}
	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (len > 0 && text[len - 1] == '\r')
		len--;
	if (len == 0 || memchr(text, '\n', len) != NULL || memchr(text, '\0', len) != NULL)
		return NULL;
	return buffer_copy(text, len);
}

static char *
read_line(int fd, const char *name, struct failure *failure)
{
	char text[SECRET_MAX_BYTES + 2];
	ssize_t len = read(fd, text, sizeof text - 1);
	char *line = NULL;

	if (len < 0) {
		failure_errno(failure, "read", name);
		failure->kind = FAILURE_CONFIGURATION;
		return NULL;
	}
	if (len <= SECRET_MAX_BYTES)
		line = line_of(text, (size_t)len);
	if (line == NULL)
		failure_set(failure, FAILURE_CONFIGURATION,
		    "%s must hold one line of at most %d bytes", name, SECRET_MAX_BYTES);
	explicit_bzero(text, sizeof text);
	return line;
}

char *
secret_read(const char *name, struct failure *failure)
{
	struct stat status;
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *line = NULL;

	if (fd < 0 || fstat(fd, &status) != 0) {
		failure_errno(failure, "open", name);
		failure->kind = FAILURE_CONFIGURATION;
	} else if (access_defect(&status) != NULL) {
		failure_set(failure, FAILURE_CONFIGURATION, "%s %s", name, access_defect(&status));
	} else {
		line = read_line(fd, name, failure);
	}
	if (fd >= 0)
		close(fd);
	return line;
}

void
secret_free(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}
