/*
 * The next program. The hard part is the descriptors: what it is to have must lie in a row from 3
 * on, where others may lie now, and it must have nothing else of this process's.
 */
#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "channel.h"
#include "gateway/node/log.h"

enum { FIRST_PASSED_FD = 3, NUMBER_MAX = 24 };

static const char variable[] = "MIRRORGATE_UPGRADE"; /* PID:FD, as LISTEN_PID says for whom */

static char **arguments;

void
upgrade_remember(char **argv)
{
	arguments = argv;
}

/* Lays the COUNT descriptors FDS out from FIRST_PASSED_FD on, and closes all that follow. */
static bool
lay_out(const int *fds, int count)
{
	int *aside = buffer_alloc_list((size_t)count, sizeof *aside);

	for (int i = 0; i < count; i++) {
		aside[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST_PASSED_FD + count);
		if (aside[i] < 0)
			return false;
	}
	for (int i = 0; i < count; i++)
		if (dup2(aside[i], FIRST_PASSED_FD + i) < 0)
			return false;
	free(aside);
	return close_range((unsigned)(FIRST_PASSED_FD + count), ~0U, 0) == 0;
}

static bool
set_number(const char *name, long number)
{
	char text[NUMBER_MAX];

	(void)snprintf(text, sizeof text, "%ld", number);
	return setenv(name, text, 1) == 0;
}

/* What says which descriptors are there, and to whom. */
static bool
set_environment(int sockets)
{
	char text[2 * NUMBER_MAX];

	(void)snprintf(text, sizeof text, "%ld:%d", (long)getpid(), FIRST_PASSED_FD + sockets);
	return setenv(variable, text, 1) == 0 && set_number("LISTEN_PID", getpid()) &&
	       set_number("LISTEN_FDS", sockets) && unsetenv("LISTEN_FDNAMES") == 0 &&
	       (getenv("WATCHDOG_PID") == NULL || set_number("WATCHDOG_PID", getpid()));
}

/* As execvp(3), which would have a shell run a file that is no program. Returns when it cannot. */
static void
execute(const char *name)
{
	const char *folder = getenv("PATH");

	if (strchr(name, '/') != NULL || folder == NULL) {
		(void)execv(name, arguments);
		return;
	}
	for (const char *end; folder != NULL; folder = end != NULL ? end + 1 : NULL) {
		end = strchr(folder, ':');
		int len = end != NULL ? (int)(end - folder) : (int)strlen(folder);
		char *path = buffer_text("%.*s/%s", len, folder, name);
		(void)execv(path, arguments);
		free(path);
		if (errno != ENOENT && errno != ENOTDIR)
			return;
	}
}

/* Becomes the program with the COUNT descriptors FDS, the last of which is the channel. */
static _Noreturn void
become(const int *fds, size_t count)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (lay_out(fds, (int)count) && set_environment((int)count - 1))
		execute(arguments[0]);
	log_error("upgrade: %s cannot be started: %s", arguments[0], strerror(errno));
	_exit(EXIT_FAILURE);
}

pid_t
upgrade_start(const int *fds, size_t count, int *channel)
{
	int ends[2];

	if (!channel_pair(ends))
		return -1;
	int *all = buffer_alloc_list(count, sizeof *all);
	memcpy(all, fds, count * sizeof *all);
	all[count] = ends[1];
	pid_t pid = fork();
	if (pid == 0)
		become(all, count + 1);
	int saved = errno;
	free(all);
	close(ends[1]);
	if (pid < 0)
		close(ends[0]);
	else
		*channel = ends[0];
	errno = saved;
	return pid;
}

int
upgrade_inherit(void)
{
	const char *text = getenv(variable);
	char *end = NULL;

	if (text == NULL)
		return -1;
	long pid = strtol(text, &end, 10);
	int fd = *end == ':' ? (int)strtol(end + 1, NULL, 10) : -1;
	(void)unsetenv(variable);
	if (pid != getpid() || fd < FIRST_PASSED_FD || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		return -1;
	return fd;
}
