/* CLOCK_MONOTONIC. Nothing is hard here. */
#include "clock.h"

#include <stdlib.h>
#include <time.h>

int64_t
clock_ms(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		abort();
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
