/*
 * Snapshots that are accepted, and those that are refused with a certain sentence. Include after
 * cmocka.h.
 */
#ifndef TESTS_SNAPSHOT_FIXTURE_H
#define TESTS_SNAPSHOT_FIXTURE_H

#include "gateway/request/snapshot.h"

#define HEAD "{\"format\":\"thin-snapshot/1\",\"system\":\"prod-1\",\"components\":["
#define TAIL "]}"

static const struct snapshot_limits design_limits = {
    .max_bytes = SNAPSHOT_MAX_BYTES,
    .max_components = SNAPSHOT_MAX_COMPONENTS,
};

static inline void
assert_accepted(const char *text)
{
	char defect[SNAPSHOT_DEFECT_MAX] = "";
	struct snapshot snapshot;

	if (snapshot_canonicalise(text, strlen(text), &design_limits, &snapshot, defect) != 0)
		fail_msg("refused: %s", defect);
	snapshot_fini(&snapshot);
}

/* Which column jansson gives is its own affair: an EXPECTED that ends in "column " leaves it open.
 */
static inline void
assert_same_defect(const char *defect, const char *expected)
{
	static const char open_end[] = "column ";
	size_t len = strlen(expected);

	if (len > strlen(open_end) && strcmp(expected + len - strlen(open_end), open_end) == 0)
		assert_memory_equal(defect, expected, len);
	else
		assert_string_equal(defect, expected);
}

static inline void
assert_refused_with(
    const char *text, size_t len, const struct snapshot_limits *limits, const char *expected)
{
	char defect[SNAPSHOT_DEFECT_MAX];
	struct snapshot snapshot;

	memset(defect, 'x', sizeof defect);
	assert_int_equal(snapshot_canonicalise(text, len, limits, &snapshot, defect), -1);
	assert_non_null(memchr(defect, '\0', sizeof defect));
	assert_same_defect(defect, expected);
	snapshot_fini(&snapshot);
}

static inline void
assert_refused_bytes(const char *text, size_t len, const char *expected)
{
	assert_refused_with(text, len, &design_limits, expected);
}

static inline void
assert_refused(const char *text, const char *expected)
{
	assert_refused_bytes(text, strlen(text), expected);
}

/* "PREFIX" then FILL LEN times then "SUFFIX"; the caller frees it. */
static inline char *
make_filled(const char *prefix, char fill, size_t len, const char *suffix)
{
	size_t size = strlen(prefix) + len + strlen(suffix) + 1;
	char *text = malloc(size);

	assert_non_null(text);
	memcpy(text, prefix, strlen(prefix));
	memset(text + strlen(prefix), fill, len);
	memcpy(text + strlen(prefix) + len, suffix, strlen(suffix) + 1);
	return text;
}

#endif
