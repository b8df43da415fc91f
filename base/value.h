/*
 * The small values of a policy file: ids, dates, times, numbers and sizes.
 *
 * All take NUL-terminated text, accept exactly one spelling of a value and return false for
 * everything else, leaving the result alone.
 */
#ifndef BASE_VALUE_H
#define BASE_VALUE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum {
	VALUE_ID_MAX = 64,        /* bytes of an id */
	VALUE_DATE_SIZE = 11,     /* "YYYY-MM-DD" and NUL */
	VALUE_LAST_DAY = 2932896, /* 9999-12-31 */
	VALUE_SIZE_SIZE = 21,     /* a 64-bit number and NUL */
};

/* [a-z0-9][a-z0-9-]{0,63} */
bool value_is_id(const char *text);

/* YYYY-MM-DD, a real date of the years 1970 to 9999; DAY counts from 1970-01-01. */
bool value_day(const char *text, uint32_t *day);

/* YYYY-MM-DD (its first second) or YYYY-MM-DDTHH:MM:SSZ. */
bool value_time(const char *text, time_t *seconds);

/* Decimal digits without a leading zero, at most MAX. */
bool value_number(const char *text, uint64_t max, uint64_t *number);

/* A number, with K, M or G for 1024, 1024^2 or 1024^3; below 2^63. */
bool value_size(const char *text, uint64_t *bytes);

/* The shortest text that value_size() reads as BYTES. */
void value_print_size(uint64_t bytes, char text[VALUE_SIZE_SIZE]);

void value_print_day(uint32_t day, char text[VALUE_DATE_SIZE]);

#endif
