/*
 * The rules a path must keep, and how policy rules match it.
 *
 * The hard part is to stay this simple: a path is judged and never repaired, so that no two paths
 * are one file, and a path that is decoded a second time stays what it is.
 */
#include "path.h"

#include <stdlib.h>
#include <string.h>

#include "unicode.h"

static const char *const reserved_segments[] = {
    "snapshots",
    "licence",
    "crl",
    "healthz",
    "readyz",
    "status",
    "status.json",
    "metrics",
};

enum { RESERVED_COUNT = sizeof reserved_segments / sizeof reserved_segments[0] };

static bool
is_alphanumeric(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool
is_outside_ascii(char c)
{
	return (unsigned char)c >= 0x80;
}

static bool
is_segment_byte(char c)
{
	return is_alphanumeric(c) || is_outside_ascii(c) ||
	       (c != '\0' && strchr("-._~+@=:,!$&'() #[]^{}", c) != NULL);
}

/* Windows leaves off spaces and dots at a name's end: "a " would be "a" there. */
static bool
ends_in_space(const char *segment, size_t len)
{
	while (len > 0 && segment[len - 1] == '.')
		len--;
	return len > 0 && segment[len - 1] == ' ';
}

/* What is wrong with one segment; LAST segments may be empty, which is a trailing slash. */
static const char *
segment_defect(const char *segment, size_t len, bool last)
{
	if (len == 0)
		return last ? NULL : "has an empty segment";
	if (len == 1 && segment[0] == '.')
		return "has a \".\" segment";
	if (len == 2 && segment[0] == '.' && segment[1] == '.')
		return "has a \"..\" segment";
	return ends_in_space(segment, len) ? "has a segment that ends in a space" : NULL;
}

static size_t
segment_length(const char *segment, size_t max)
{
	const char *slash = memchr(segment, '/', max);
	return slash != NULL ? (size_t)(slash - segment) : max;
}

static const char *
segments_defect(const char *path, size_t len)
{
	for (size_t at = 1;;) {
		size_t segment = segment_length(path + at, len - at);
		bool last = at + segment == len;
		const char *defect = segment_defect(path + at, segment, last);
		if (defect != NULL || last)
			return defect;
		at += segment + 1;
	}
}

static const char *
bytes_defect(const char *path, size_t len, bool *is_ascii)
{
	for (size_t i = 0; i < len; i++) {
		if (path[i] == '%')
			return "has a %, which no path may have";
		if (path[i] != '/' && !is_segment_byte(path[i]))
			return "has a character that no path may have";
		*is_ascii = *is_ascii && !is_outside_ascii(path[i]);
	}
	return NULL;
}

static size_t
count_slashes(const char *path, size_t len)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i++)
		count += path[i] == '/';
	return count;
}

/* A store that knows fewer characters must not find folders in PATH that are not there: a
 * full-width slash, a leader of two dots. */
static const char *
simplified_defect(const char *path, size_t len)
{
	char *simple = unicode_simplified(path, len);
	size_t simple_len = strlen(simple);
	bool differs = strpbrk(simple, "\\%") != NULL ||
	               count_slashes(simple, simple_len) != count_slashes(path, len) ||
	               segments_defect(simple, simple_len) != NULL;

	free(simple);
	return differs
	           ? "has a character that a store may take for a slash, a dot or a percent sign"
	           : NULL;
}

const char *
path_defect(const char *path, size_t len)
{
	bool is_ascii = true;

	if (len == 0 || path[0] != '/')
		return "does not begin with /";
	if (len > PATH_MAX_BYTES)
		return "is longer than 4096 bytes";
	const char *defect = segments_defect(path, len);
	if (defect == NULL)
		defect = bytes_defect(path, len, &is_ascii);
	if (defect != NULL || is_ascii)
		return defect;
	defect = unicode_defect(path, len);
	return defect != NULL ? defect : simplified_defect(path, len);
}

bool
path_is_reserved(const char *path, size_t len)
{
	if (len == 0 || path[0] != '/')
		return false;
	size_t segment = segment_length(path + 1, len - 1);
	for (size_t i = 0; i < RESERVED_COUNT; i++) {
		const char *name = reserved_segments[i];
		if (strlen(name) == segment && memcmp(name, path + 1, segment) == 0)
			return true;
	}
	return false;
}

bool
path_matches(const char *rule, size_t rule_len, const char *path, size_t len)
{
	if (rule_len == 0 || rule_len > len || memcmp(rule, path, rule_len) != 0)
		return false;
	return rule_len == len || rule[rule_len - 1] == '/';
}

bool
path_is_snapshot_name(const char *name, size_t len)
{
	if (len == 0 || len > 128 || !is_alphanumeric(name[0]))
		return false;
	for (size_t i = 1; i < len; i++) {
		if (!is_alphanumeric(name[i]) && name[i] != '.' && name[i] != '_' && name[i] != '-')
			return false;
	}
	return true;
}
