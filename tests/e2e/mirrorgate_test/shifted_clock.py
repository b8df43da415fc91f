"""A time of day that a test sets while the gate runs, for the gate alone."""

import mmap
import struct

from . import common

# The file is mapped once, for a worker may open none.
_LIBRARY = """
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static const volatile long *shift;
__attribute__((constructor)) static void begin(void)
{
	int fd = open(getenv("CLOCK_SHIFT"), O_RDONLY);
	shift = mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
}
int clock_gettime(clockid_t id, struct timespec *now)
{
	int result = (int)syscall(SYS_clock_gettime, id, now);
	if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		now->tv_sec += *shift;
	return result;
}
time_t time(time_t *out)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}
int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec now;
	(void)zone;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	*out = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
	return 0;
}
"""


class Clock:
    """Its `shell` is for Gateway.start()."""

    def __init__(self, folder):
        file = folder / "clock"
        file.write_bytes(bytes(struct.calcsize("l")))
        with file.open("r+b") as opened:
            self._shift = mmap.mmap(opened.fileno(), 0)
        words = f"LD_PRELOAD={common.library(folder, _LIBRARY)} CLOCK_SHIFT={file}"
        self.shell = f"export {words} ASAN_OPTIONS=verify_asan_link_order=0:$ASAN_OPTIONS"

    def set(self, seconds):
        """From now on the gate's time of day is SECONDS more than it is."""
        self._shift[:] = struct.pack("l", seconds)
