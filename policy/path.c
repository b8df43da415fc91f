/*
 * The rules a path must keep, and how policy rules match it.
 *
 * The hard part is to stay this simple: a path is judged byte by byte and never rewritten, so
 * that no two spellings of one file exist and nothing needs to be decoded before it is compared.
 */
#include "path.h"

#include <string.h>

static const char *const reserved_segments[] = {
    "snapshots",
    "licence",
    "healthz",
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
is_segment_byte(char c)
{
	return is_alphanumeric(c) || (c != '\0' && strchr("-._~+@=:,!$&'()", c) != NULL);
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
	for (size_t i = 0; i < len; i++) {
		if (segment[i] == '%')
			return "has percent-encoding";
		if (!is_segment_byte(segment[i]))
			return "has a character that no path may have";
	}
	return NULL;
}

static size_t
segment_length(const char *segment, size_t max)
{
	const char *slash = memchr(segment, '/', max);
	return slash != NULL ? (size_t)(slash - segment) : max;
}

const char *
path_defect(const char *path, size_t len)
{
	if (len == 0 || path[0] != '/')
		return "does not begin with /";
	if (len > PATH_MAX_BYTES)
		return "is longer than 4096 bytes";
	for (size_t at = 1;;) {
		size_t segment = segment_length(path + at, len - at);
		bool last = at + segment == len;
		const char *defect = segment_defect(path + at, segment, last);
		if (defect != NULL || last)
			return defect;
		at += segment + 1;
	}
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
