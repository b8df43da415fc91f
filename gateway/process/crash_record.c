/* Pauses and lines for a worker that ends. The one hard part: who ends for the first time in a long
 * while must cost nobody a moment, who does it all the time neither the machine nor the log. */
#include "crash_record.h"

#include <assert.h>

static const double first_pause = 0.1; /* seconds */

double
crash_record_add(struct crash_record *self, double now, double lived)
{
	if (lived >= CRASH_RECORD_STEADY)
		*self = (struct crash_record){.said = now - CRASH_RECORD_SILENCE};
	self->row++;
	self->unsaid++;
	double pause = first_pause;
	if (self->row == 1)
		return 0;
	for (unsigned i = 2; i < self->row && pause < CRASH_RECORD_PAUSE_MAX; i++)
		pause *= 2;
	return pause < CRASH_RECORD_PAUSE_MAX ? pause : CRASH_RECORD_PAUSE_MAX;
}

unsigned
crash_record_say(struct crash_record *self, double now)
{
	unsigned count = self->unsaid;

	assert(count > 0);
	if (crash_record_is_loop(self) && now - self->said < CRASH_RECORD_SILENCE)
		return 0;
	self->said = now;
	self->unsaid = 0;
	return count;
}

bool
crash_record_is_loop(const struct crash_record *self)
{
	return self->row > CRASH_RECORD_SAID;
}
