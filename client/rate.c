/* The rate. Nothing is hard here: time that nothing came in is not made up for. */
#include "rate.h"

#include <stdlib.h>
#include <time.h>

static int64_t
now_ms(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		abort();
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
pay(struct rate *self)
{
	int64_t now = now_ms();
	double paid = (double)(now - self->at) * (double)self->limit / 1000;

	self->debt = self->debt > paid ? self->debt - paid : 0;
	self->at = now;
}

void
rate_charge(struct rate *self, size_t len)
{
	pay(self);
	self->debt += (double)len;
}

long
rate_wait(struct rate *self)
{
	if (self->limit == 0)
		return 0;
	pay(self);
	return (long)(self->debt * 1000 / (double)self->limit);
}
