/* CLOCK_MONOTONIC. Nothing is hard here. */
#include "clock.h"

#include <stdlib.h>
#include <time.h>

enum { NS_OF_SECOND = 1000000000, NS_OF_MS = 1000000 };

uint64_t
clock_ns(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		abort();
	return (uint64_t)now.tv_sec * NS_OF_SECOND + (uint64_t)now.tv_nsec;
}

int64_t
clock_ms(void)
{
	return (int64_t)(clock_ns() / NS_OF_MS);
}

double
clock_seconds(void)
{
	return (double)clock_ns() / NS_OF_SECOND;
}
