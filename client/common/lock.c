/*
 * Locks. The hard part is to wait in the kernel, so that a lock is had as soon as it is free, and
 * still to end: a timer's signal interrupts the wait again and again, and each time the clock is
 * looked at. One signal alone could come before the wait begins.
 */
#include "lock.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "report.h"

enum { LOOK_US = 100 * 1000 }; /* between two looks at the clock */

static int64_t wait_ms = (int64_t)LOCK_WAIT_SECONDS * 1000;

void
lock_set_wait(uint64_t seconds)
{
	assert(seconds <= INT64_MAX / 1000);
	wait_ms = (int64_t)seconds * 1000;
}

int64_t
lock_wait_ms(void)
{
	return wait_ms;
}

/* ---- who may open it ------------------------------------------------------------------------ */

/* Gives the file its mode. One of another user, which that may not be done to, is told of when
 * everybody can lock it. False with errno set. */
static bool
tighten(int fd, int folder, const char *name)
{
	struct stat file, above;

	if (fstat(fd, &file) != 0 || fstat(folder, &above) != 0)
		return false;
	if (!S_ISREG(file.st_mode)) {
		errno = EINVAL;
		return false;
	}
	mode_t mode = 0600;
	if ((above.st_mode & S_IWGRP) != 0 &&
	    (file.st_gid == above.st_gid || fchown(fd, (uid_t)-1, above.st_gid) == 0))
		mode = 0660;
	if ((file.st_mode & 07777) == mode || fchmod(fd, mode) == 0)
		return true;
	if (errno == EPERM && (file.st_mode & S_IRWXO) != 0)
		report_note("warning: every user can lock the file `%s`, which belongs to user "
		            "%u: `chmod o= %s` as that user ends it",
		    name, (unsigned)file.st_uid, name);
	return errno == EPERM;
}

int
lock_open(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd >= 0 && !tighten(fd, folder, name)) {
		int saved = errno;
		close(fd);
		errno = saved;
		fd = -1;
	}
	return fd;
}

void
lock_close_to_others(int folder)
{
	struct stat st;

	if (fstat(folder, &st) == 0 && (st.st_mode & S_IRWXO) != 0)
		(void)fchmod(folder, st.st_mode & 07777 & ~(mode_t)S_IRWXO);
}

/* ---- who has it ----------------------------------------------------------------------------- */

/* The process that LINE of /proc/locks says has a lock on FILE; 0 when it says something else. It
 * reads "1: FLOCK ADVISORY WRITE 1234 08:01:5678 0 EOF"; who waits has "->" before FLOCK. */
static int
holder_in(char *line, const struct stat *file)
{
	enum { KIND = 1, PROCESS = 4, FILE_ID = 5, WORDS };
	char *words[WORDS], *rest = NULL, id[64];
	size_t count = 0;

	for (char *word = strtok_r(line, " ", &rest); word != NULL && count < WORDS;
	     word = strtok_r(NULL, " ", &rest))
		words[count++] = word;
	snprintf(id, sizeof id, "%02x:%02x:%ju", major(file->st_dev), minor(file->st_dev),
	    (uintmax_t)file->st_ino);
	if (count < WORDS || strcmp(words[KIND], "FLOCK") != 0 || strcmp(words[FILE_ID], id) != 0)
		return 0;
	long pid = strtol(words[PROCESS], NULL, 10);
	return pid > 0 && pid <= INT_MAX && pid != getpid() ? (int)pid : 0;
}

static int
find_holder(int fd)
{
	char line[256];
	struct stat file;
	int pid = 0;
	FILE *locks = fopen("/proc/locks", "re");

	if (locks == NULL)
		return 0;
	if (fstat(fd, &file) == 0) {
		while (pid <= 0 && fgets(line, sizeof line, locks) != NULL)
			pid = holder_in(line, &file);
	}
	fclose(locks);
	return pid;
}

void
lock_holder(int fd, char text[LOCK_HOLDER_SIZE])
{
	char file[32], name[32] = "";
	int pid = find_holder(fd);

	if (pid <= 0) {
		snprintf(text, LOCK_HOLDER_SIZE, "another process");
		return;
	}
	snprintf(file, sizeof file, "/proc/%d/comm", pid);
	int comm = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t len = comm >= 0 ? read(comm, name, sizeof name - 1) : 0;
	if (comm >= 0)
		close(comm);
	name[len > 0 ? len : 0] = '\0';
	name[strcspn(name, "\n")] = '\0';
	/* Another user chooses it, and a terminal may show it. */
	for (char *c = name; *c != '\0'; c++) {
		if (!isalnum((unsigned char)*c) && strchr("._-", *c) == NULL)
			*c = '?';
	}
	snprintf(
	    text, LOCK_HOLDER_SIZE, *name != '\0' ? "process %d (%s)" : "process %d", pid, name);
}

/* ---- taking it ------------------------------------------------------------------------------ */

static void
on_alarm(int number)
{
	(void)number; /* it only has to interrupt flock() */
}

/* Waits until the lock is there, or for WAIT milliseconds: then errno is ETIMEDOUT. */
static bool
wait_for(int fd, int how, int64_t wait)
{
	const struct itimerval every = {{.tv_usec = LOOK_US}, {.tv_usec = LOOK_US}}, never = {0};
	const struct sigaction interrupt = {.sa_handler = on_alarm};
	struct sigaction before;
	int64_t end = clock_ms() + wait;

	if (sigaction(SIGALRM, &interrupt, &before) != 0)
		return false;
	bool taken = false, failed = setitimer(ITIMER_REAL, &every, NULL) != 0;
	while (!taken && !failed) {
		taken = flock(fd, how) == 0;
		failed = !taken && errno != EINTR;
		if (!taken && !failed && clock_ms() >= end) {
			errno = ETIMEDOUT;
			failed = true;
		}
	}
	int saved = errno;
	(void)setitimer(ITIMER_REAL, &never, NULL);
	(void)sigaction(SIGALRM, &before, NULL);
	errno = saved;
	return taken;
}

bool
lock_take(int fd, int how, const char *place, struct failure *failure)
{
	char holder[LOCK_HOLDER_SIZE];

	if (flock(fd, how | LOCK_NB) == 0)
		return true;
	if (errno != EWOULDBLOCK)
		return failure_errno(failure, "lock", place);
	lock_holder(fd, holder);
	report_note("waiting for another spot that works in %s: %s", place, holder);
	if (wait_for(fd, how, wait_ms))
		return true;
	if (errno != ETIMEDOUT)
		return failure_errno(failure, "lock", place);
	lock_holder(fd, holder);
	return failure_set(failure, FAILURE_LOCAL,
	    "%s still has %s locked after %" PRId64 " s: end it, or set a longer `lock_wait`",
	    holder, place, wait_ms / 1000);
}
