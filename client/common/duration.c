/* Durations. Nothing is hard here. */
#include "duration.h"

#include <stdio.h>
#include <string.h>

#include "base/value.h"

enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

static uint64_t
seconds_of(char unit)
{
	switch (unit) {
	case 's':
		return 1;
	case 'm':
		return MINUTE;
	case 'h':
		return HOUR;
	case 'd':
		return DAY;
	default:
		return 0;
	}
}

bool
duration_read(const char *text, uint64_t *seconds)
{
	const uint64_t longest = (uint64_t)DURATION_MAX_DAYS * DAY;
	size_t len = strlen(text);
	char digits[16];
	uint64_t number;

	if (len < 2 || len > sizeof digits)
		return false;
	uint64_t unit = seconds_of(text[len - 1]);
	snprintf(digits, sizeof digits, "%.*s", (int)(len - 1), text);
	if (unit == 0 || !value_number(digits, longest / unit, &number))
		return false;
	*seconds = number * unit;
	return true;
}
