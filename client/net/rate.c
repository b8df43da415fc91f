/* The rate. Nothing is hard here: time that nothing came in is not made up for. */
#include "rate.h"

#include <stdlib.h>

#include "base/clock.h"

static void
pay(struct rate *self)
{
	int64_t now = clock_ms();
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
