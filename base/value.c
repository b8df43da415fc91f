/*
 * Ids, dates, times, numbers and sizes.
 *
 * Dates are counted here, not by timegm() or mktime(): these take 30 February for 2 March and
 * may look at the machine's time zone.
 */
#include "value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_YEAR = 1970, LAST_YEAR = 9999, SECONDS_PER_DAY = 86400 };

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool
value_is_id(const char *text)
{
	size_t len = strlen(text);
	if (len == 0 || len > VALUE_ID_MAX || text[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(text[i]) && !(text[i] >= 'a' && text[i] <= 'z') && text[i] != '-')
			return false;
	}
	return true;
}

/* Reads exactly LEN digits. */
static bool
digits(const char *text, size_t len, unsigned *number)
{
	*number = 0;
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(text[i]))
			return false;
		*number = 10 * *number + (unsigned)(text[i] - '0');
	}
	return true;
}

static bool
is_leap(unsigned year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned
days_in_month(unsigned year, unsigned month)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	return month == 2 && is_leap(year) ? 29U : days[month - 1];
}

/* Days from 1970-01-01 to the first of January of YEAR. */
static unsigned
days_before_year(unsigned year)
{
	unsigned past = year - 1;
	unsigned leap_days = past / 4 - past / 100 + past / 400;
	return (year - FIRST_YEAR) * 365 + leap_days - 477; /* leap days before 1970 */
}

/* The date in the first ten bytes of TEXT. */
static bool
parse_date(const char *text, uint32_t *day)
{
	unsigned year, month, of_month;
	if (strlen(text) < VALUE_DATE_SIZE - 1 || text[4] != '-' || text[7] != '-')
		return false;
	if (!digits(text, 4, &year) || !digits(text + 5, 2, &month) ||
	    !digits(text + 8, 2, &of_month))
		return false;
	if (year < FIRST_YEAR || month < 1 || month > 12 || of_month < 1 ||
	    of_month > days_in_month(year, month))
		return false;
	*day = days_before_year(year) + of_month - 1;
	for (unsigned m = 1; m < month; m++)
		*day += days_in_month(year, m);
	return true;
}

bool
value_day(const char *text, uint32_t *day)
{
	return strlen(text) == VALUE_DATE_SIZE - 1 && parse_date(text, day);
}

bool
value_time(const char *text, time_t *seconds)
{
	uint32_t day;
	unsigned hour = 0, minute = 0, second = 0;
	if (!parse_date(text, &day))
		return false;
	const char *clock = text + VALUE_DATE_SIZE - 1;
	if (*clock != '\0') {
		if (strlen(clock) != strlen("THH:MM:SSZ") || clock[0] != 'T' || clock[3] != ':' ||
		    clock[6] != ':' || clock[9] != 'Z')
			return false;
		if (!digits(clock + 1, 2, &hour) || !digits(clock + 4, 2, &minute) ||
		    !digits(clock + 7, 2, &second))
			return false;
	}
	if (hour > 23 || minute > 59 || second > 59)
		return false;
	*seconds = (time_t)day * SECONDS_PER_DAY + (time_t)(3600 * hour + 60 * minute + second);
	return true;
}

/* Digits up to END. */
static bool
parse_number(const char *text, const char *end, uint64_t max, uint64_t *number)
{
	if (text == end || (*text == '0' && text + 1 < end))
		return false;
	uint64_t value = 0;
	for (; text < end; text++) {
		if (!is_digit(*text))
			return false;
		uint64_t digit = (uint64_t)(*text - '0');
		if (digit > max || value > (max - digit) / 10)
			return false;
		value = 10 * value + digit;
	}
	*number = value;
	return true;
}

bool
value_number(const char *text, uint64_t max, uint64_t *number)
{
	return parse_number(text, text + strlen(text), max, number);
}

bool
value_size(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMG";
	const char *end = text + strlen(text);
	const char *unit = end > text ? strchr(units, end[-1]) : NULL;
	unsigned shift = 0;
	if (unit != NULL) {
		shift = 10 * ((unsigned)(unit - units) + 1);
		end--;
	}
	if (!parse_number(text, end, (uint64_t)INT64_MAX >> shift, bytes))
		return false;
	*bytes <<= shift;
	return true;
}

void
value_print_size(uint64_t bytes, char text[VALUE_SIZE_SIZE])
{
	static const char *const units[] = {"", "K", "M", "G"};
	size_t unit = 0;
	for (; unit < 3 && bytes > 0 && bytes % 1024 == 0; unit++)
		bytes /= 1024;
	snprintf(text, VALUE_SIZE_SIZE, "%" PRIu64 "%s", bytes, units[unit]);
}

void
value_print_day(uint32_t day, char text[VALUE_DATE_SIZE])
{
	unsigned year = FIRST_YEAR, month = 1;
	while (year < LAST_YEAR && day >= days_before_year(year + 1))
		year++;
	day -= days_before_year(year);
	while (month < 12 && day >= days_in_month(year, month))
		day -= days_in_month(year, month++);
	/* Days past year 9999 are in no honest image, but the buffer holds anyway. */
	snprintf(text, VALUE_DATE_SIZE, "%04u-%02u-%02u", year % 10000, month,
	    (unsigned)(day + 1) % 100);
}
