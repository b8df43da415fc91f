/* Processor and memory of this process. The one hard part: a worker that is started again counts on
 * from where the one before it ended. */
#include "process_usage.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { MICROSECONDS = 1000000, NANOSECONDS = 1000 };

void
process_usage_begin(struct process_usage *self)
{
	self->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
}

void
process_usage_end(struct process_usage *self)
{
	if (self->statm >= 0)
		close(self->statm);
	self->statm = -1;
}

static uint64_t
processor_time(void)
{
	struct timespec time;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) != 0)
		return 0;
	return (uint64_t)time.tv_sec * MICROSECONDS + (uint64_t)time.tv_nsec / NANOSECONDS;
}

/* Bytes; 0 when it is not known. See proc_pid_statm(5). */
static uint64_t
resident(const struct process_usage *self)
{
	char text[128];
	if (self->statm < 0 || lseek(self->statm, 0, SEEK_SET) != 0)
		return 0;
	ssize_t n = read(self->statm, text, sizeof text - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	const char *second = strchr(text, ' '); /* the first is the size of all that is mapped */
	return second != NULL ? strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

void
process_usage_report(
    struct process_usage *self, struct metrics *metrics, enum metrics_family family, unsigned slot)
{
	uint64_t now = processor_time();

	if (now > self->reported)
		metrics_cell_add(
		    metrics, slot, family, PROCESS_CPU_MICROSECONDS, now - self->reported);
	self->reported = now;
	metrics_cell_set(metrics, slot, family, PROCESS_RESIDENT_BYTES, resident(self));
}

uint32_t
process_usage_peak_kib(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint32_t)usage.ru_maxrss : 0;
}

uint64_t
process_usage_of_children(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_CHILDREN, &usage) != 0)
		return 0;
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * MICROSECONDS +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}
