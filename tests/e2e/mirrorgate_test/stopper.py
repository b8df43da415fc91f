"""A library that counts the calls with which a program changes a folder, and stops it at one."""

import dataclasses
import os
import random

import pytest

from . import common

# Counts what changes a folder, its files, their attributes and what is on the disk of it, by
# descriptor or by path; the one with the number STOP_AT kills, or fails with STOP_WITH, or is made
# after the file STOP_FILL has taken all that is free. STOP_LOG is told each: number, call, path. A
# call that changes nothing (an open that makes nothing) is none.
SOURCE = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>
/* With one processor there is one thread: the calls come in the same order each time. */
__attribute__((constructor)) static void take_one_processor(void)
{
    cpu_set_t mine, one;
    int cpu = 0;
    if (sched_getaffinity(0, sizeof mine, &mine) != 0)
        abort();
    while (!CPU_ISSET(cpu, &mine))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0)
        abort();
}
static void find(int fd, const char *path, char where[3 * PATH_MAX])
{
    char link[64], base[PATH_MAX];
    where[0] = 0;
    if (path == NULL || path[0] != '/') {
        snprintf(link, sizeof link, fd == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", fd);
        ssize_t len = readlink(link, base, sizeof base - 1);
        base[len > 0 ? len : 0] = 0;
        strcpy(where, base);
    }
    if (path != NULL)
        sprintf(where + strlen(where), "%s%s", where[0] ? "/" : "", path);
}
/* Somebody else takes all that is left on the disk. */
static void fill(const char *path)
{
    static char bytes[1 << 16];
    int out = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT, 0600);
    for (size_t len = sizeof bytes; len > 0; len /= 2)
        while (syscall(SYS_write, out, bytes, len) > 0)
            continue;
    syscall(SYS_close, out);
}
static int stops(const char *call, int fd, const char *path)
{
    static int seen;
    char where[3 * PATH_MAX], line[4 * PATH_MAX];
    const char *folder = getenv("STOP_IN"), *log = getenv("STOP_LOG");
    size_t len = strlen(folder);
    find(fd, path, where);
    if (strncmp(where, folder, len) != 0 || (where[len] != 0 && where[len] != '/'))
        return 0;
    seen++;
    if (log != NULL) {
        int out = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT, 0600);
        snprintf(line, sizeof line, "%d %s %s\n", seen, call, where);
        syscall(SYS_write, out, line, strlen(line));
        syscall(SYS_close, out);
    }
    if (seen != atoi(getenv("STOP_AT")))
        return 0;
    if (getenv("STOP_FILL") != NULL) {
        fill(getenv("STOP_FILL"));
        return 0;
    }
    if (getenv("STOP_WITH") == NULL)
        kill(getpid(), SIGKILL);
    errno = atoi(getenv("STOP_WITH"));
    return 1;
}
#define STEP(type, name, fd, path, parameters, ...) \
    type name parameters \
    { return stops(#name, fd, path) ? -1 : (type)syscall(SYS_##name, __VA_ARGS__); }
#define HERE AT_FDCWD
STEP(int, fsync, a, NULL, (int a), a)
STEP(int, syncfs, a, NULL, (int a), a)
STEP(int, fdatasync, a, NULL, (int a), a)
STEP(int, ftruncate, a, NULL, (int a, off_t b), a, b)
STEP(int, fallocate, a, NULL, (int a, int b, off_t c, off_t d), a, b, c, d)
STEP(int, mkdirat, a, b, (int a, const char *b, mode_t c), a, b, c)
STEP(int, mkdir, HERE, a, (const char *a, mode_t b), a, b)
STEP(int, rmdir, HERE, a, (const char *a), a)
STEP(int, unlinkat, a, b, (int a, const char *b, int c), a, b, c)
STEP(int, unlink, HERE, a, (const char *a), a)
STEP(int, symlinkat, b, c, (const char *a, int b, const char *c), a, b, c)
STEP(int, symlink, HERE, b, (const char *a, const char *b), a, b)
STEP(int, linkat, c, d, (int a, const char *b, int c, const char *d, int e), a, b, c, d, e)
STEP(int, link, HERE, b, (const char *a, const char *b), a, b)
STEP(int, fchmod, a, NULL, (int a, mode_t b), a, b)
STEP(int, chmod, HERE, a, (const char *a, mode_t b), a, b)
STEP(int, fchown, a, NULL, (int a, uid_t b, gid_t c), a, b, c)
STEP(int, fchownat, a, b, (int a, const char *b, uid_t c, gid_t d, int e), a, b, c, d, e)
STEP(int, renameat2, c, d, (int a, const char *b, int c, const char *d, unsigned e), a, b, c, d, e)
STEP(int, rename, HERE, b, (const char *a, const char *b), a, b)
STEP(ssize_t, write, a, NULL, (int a, const void *b, size_t c), a, b, c)
STEP(ssize_t, pwrite64, a, NULL, (int a, const void *b, size_t c, off_t d), a, b, c, d)
STEP(ssize_t, copy_file_range, c, NULL,
    (int a, off64_t *b, int c, off64_t *d, size_t e, unsigned f), a, b, c, d, e, f)
STEP(ssize_t, sendfile, a, NULL, (int a, int b, off_t *c, size_t d), a, b, c, d)
int renameat(int a, const char *b, int c, const char *d) { return renameat2(a, b, c, d, 0); }
int fchmodat(int a, const char *b, mode_t c, int d)
{ return stops("fchmodat", a, b) ? -1 : (int)syscall(SYS_fchmodat, a, b, c, d); }
int utimensat(int a, const char *b, const struct timespec c[2], int d)
{ return stops("utimensat", a, b) ? -1 : (int)syscall(SYS_utimensat, a, b, c, d); }
int futimens(int a, const struct timespec b[2])
{ return stops("futimens", a, NULL) ? -1 : (int)syscall(SYS_utimensat, a, NULL, b, 0); }
static int opens(int fd, const char *path, int flags, va_list rest)
{
    int makes = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
    mode_t mode = makes ? va_arg(rest, mode_t) : 0;
    if ((makes || (flags & O_TRUNC) != 0) && stops("openat", fd, path))
        return -1;
    return (int)syscall(SYS_openat, fd, path, flags, mode);
}
#define OPEN(name, fd, ...) \
    int name(__VA_ARGS__, int flags, ...) \
    { \
        va_list rest; \
        va_start(rest, flags); \
        int opened = opens(fd, path, flags, rest); \
        va_end(rest); \
        return opened; \
    }
OPEN(openat, at, int at, const char *path)
OPEN(openat64, at, int at, const char *path)
OPEN(open, HERE, const char *path)
OPEN(open64, HERE, const char *path)
"""

ENVIRONMENT = {"ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")}
SEED = 14


@pytest.fixture(name="stopper", scope="session")
def library_that_stops(tmp_path_factory):
    return common.library(tmp_path_factory.mktemp("stopper"), SOURCE)


@dataclasses.dataclass
class Call:
    number: int
    name: str
    path: str


def stopped_at(spot, stopper, number, how=()):
    """Updates, and is stopped before change NUMBER of the folder; 0: never."""
    return spot.run("-q", "update", environment={
        "LD_PRELOAD": str(stopper), "STOP_AT": str(number), "STOP_IN": str(spot.here),
        **ENVIRONMENT, **dict(how),
    })  # fmt: skip


def calls_of(spot, stopper):
    """Updates; all calls that changed the folder, in their order."""
    log = spot.folder / "calls"
    log.unlink(missing_ok=True)
    done = stopped_at(spot, stopper, 0, {"STOP_LOG": str(log)})
    assert done.returncode == 0, done.stderr
    calls = [Call(int(n), name, path) for n, name, path in
             (line.split(" ", 2) for line in log.read_text().splitlines())]  # fmt: skip
    assert [call.number for call in calls] == list(range(1, len(calls) + 1))
    return calls


def ends_of_each_name(calls):
    """The numbers of the first and the last call of each name."""
    numbers = set()
    for name in {call.name for call in calls}:
        named = [call.number for call in calls if call.name == name]
        numbers |= {named[0], named[-1]}
    return numbers


def choose(calls, switch, before):
    """The numbers of calls to be stopped at: all from SWITCH, the index of the first call of the
    change, on; and of those before it BEFORE by chance, and the first and the last of each name. An
    instrumented build, which looks for other mistakes and is slow, has every third after it."""
    early, late = calls[:switch], calls[switch:]
    chosen = {call.number for call in random.Random(SEED).sample(early, min(before, len(early)))}
    chosen |= ends_of_each_name(early) | ends_of_each_name(late)
    chosen |= {call.number for call in late[:: 3 if common.INSTRUMENTED else 1]}
    return sorted(chosen)
