/*
 * Durations, host names and paths of mirrorgate.yaml.
 *
 * Everything is compared byte by byte: what a locale calls a letter must not matter here.
 */
#include "config_values.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/value.h"

enum { MAX_LABEL = 63, MAX_HOST_NAME = 253, MAX_DIGITS = 19 };

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alphanumeric(char c)
{
	return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Milliseconds of a unit; 0: no such unit. */
static uint64_t
unit_milliseconds(const char *unit)
{
	static const struct {
		const char *name;
		uint64_t milliseconds;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (strcmp(unit, units[i].name) == 0)
			return units[i].milliseconds;
	}
	return 0;
}

bool
config_values_duration(const char *text, uint64_t *milliseconds)
{
	char number[MAX_DIGITS + 1] = "";
	size_t digits = 0;
	uint64_t unit, count;

	while (is_digit(text[digits]))
		digits++;
	unit = unit_milliseconds(text + digits);
	if (digits > MAX_DIGITS || unit == 0)
		return false;
	memcpy(number, text, digits);
	if (!value_number(number, INT64_MAX / unit, &count))
		return false;
	*milliseconds = count * unit;
	return true;
}

static bool
is_label(const char *label, size_t len)
{
	if (len == 0 || len > MAX_LABEL || label[0] == '-' || label[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_alphanumeric(label[i]) && label[i] != '-')
			return false;
	}
	return true;
}

bool
config_values_is_host_name(const char *text)
{
	if (strlen(text) > MAX_HOST_NAME)
		return false;
	for (;;) {
		size_t len = strcspn(text, ".");

		if (!is_label(text, len))
			return false;
		if (text[len] == '\0')
			return true;
		text += len + 1;
	}
}

bool
config_values_looks_like_ipv4(const char *text)
{
	const char *dot = strrchr(text, '.');

	return is_digit(dot != NULL ? dot[1] : text[0]);
}

const char *
config_values_path_defect(const char *text)
{
	if (text[0] == '\0')
		return "must name a file, not be empty";
	if (strlen(text) >= PATH_MAX)
		return "is longer than a path may be";
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return "must not hold control characters";
	}
	return NULL;
}

char *
config_values_path(const char *folder, const char *path)
{
	char *joined = NULL;

	if (asprintf(&joined, "%s%s", path[0] == '/' ? "" : folder, path) < 0)
		abort();
	return joined;
}
