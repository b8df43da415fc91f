/* Backing off. The random part needs no secrecy, only to differ between machines. */
#include "retry.h"

#include <sys/random.h>

enum {
	FIRST_PAUSE_MS = 500,
	LONGEST_PAUSE_MS = 30 * 1000,
};

bool
retry_is_due(const struct failure *failure, unsigned tries, unsigned max)
{
	return failure->passes && tries < max && failure->retry_after <= RETRY_AFTER_MAX;
}

static long
random_below(long bound)
{
	unsigned long number = 0;

	if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
		return 0;
	return (long)(number % (unsigned long)bound);
}

long
retry_pause(const struct failure *failure, unsigned tries)
{
	long pause = FIRST_PAUSE_MS;

	while (--tries > 0 && pause < LONGEST_PAUSE_MS)
		pause *= 2;
	if (pause > LONGEST_PAUSE_MS)
		pause = LONGEST_PAUSE_MS;
	pause = pause / 2 + random_below(pause / 2);
	long asked = failure->retry_after * 1000;
	return asked > 0 ? asked + random_below(FIRST_PAUSE_MS) : pause;
}
