/*
 * Path rules: what is accepted holds nothing that must not be there, and a rule covers nothing
 * beside itself. A path is read from every spelling of it, and written in one.
 *
 * The input is a rule, a line feed and a path; without a line feed it is a path. The rules are
 * held against a second definition of them, which searches where path.c walks.
 */
#include <stdlib.h>
#include <string.h>

#include "base/path_spelling.h"
#include "fuzz.h"

static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                              "-._~+@=:,!$&'() #[]^{}/";

/* Whether PATH, which is ASCII, is canonical, said in another way: no forbidden byte and no
 * forbidden part. */
static bool
is_canonical(const char *path, size_t len)
{
	static const char *const forbidden[] = {"//", "/./", "/../", " /"};

	if (len == 0 || len > PATH_MAX_BYTES || path[0] != '/')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (memchr(allowed, path[i], sizeof allowed - 1) == NULL)
			return false;
	}
	char *closed = malloc(len + 1); /* with a slash at its end */
	if (closed == NULL)
		abort();
	memcpy(closed, path, len);
	closed[len] = '/';
	size_t closed_len = path[len - 1] == '/' ? len : len + 1;
	bool clean = true;
	for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++)
		clean = clean && !fuzz_holds(closed, closed_len, forbidden[i]);
	/* Dots after a space are no letters that could save it. */
	for (size_t i = 0, space = 0; i < closed_len; i++) {
		clean = clean && !(closed[i] == '/' && space);
		space = closed[i] == ' ' || (space && closed[i] == '.');
	}
	free(closed);
	return clean;
}

static bool
is_ascii(const char *path, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)path[i] >= 0x80)
			return false;
	}
	return true;
}

/* What is written is read back, and has nothing left to decode. */
static void
check_spelling(const char *path, size_t len)
{
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                                 "0123456789-._~/%";
	struct buffer out = {0};
	char again[PATH_ROOM];
	size_t again_len = 0;

	if (path_defect(path, len) != NULL)
		return;
	FUZZ_REQUIRE(memchr(path, '%', len) == NULL);
	path_spelling_encode(path, len, &out);
	for (size_t i = 0; i < buffer_size(&out); i++)
		FUZZ_REQUIRE(memchr(unreserved, buffer_bytes(&out)[i], sizeof unreserved - 1));
	FUZZ_REQUIRE(
	    path_spelling_decode(buffer_bytes(&out), buffer_size(&out), again, &again_len) == NULL);
	FUZZ_REQUIRE(again_len == len && memcmp(again, path, len) == 0);
	buffer_fini(&out);
}

/* TARGET as a client may send it: no escape is left, and no separator came out of one. */
static void
check_target(const char *target, size_t len)
{
	char path[PATH_ROOM];
	size_t path_len = 0, slashes = 0;

	if (path_spelling_decode(target, len, path, &path_len) != NULL)
		return;
	FUZZ_REQUIRE(path_len <= len && path_len <= PATH_ROOM);
	for (size_t i = 0; i < len; i++)
		slashes += target[i] == '/';
	for (size_t i = 0; i < path_len; i++)
		slashes -= path[i] == '/';
	FUZZ_REQUIRE(path_len == PATH_ROOM || slashes == 0);
	FUZZ_REQUIRE(memchr(path, '%', path_len) == NULL);
	check_spelling(path, path_len);
}

static void
check_match(const char *rule, size_t rule_len, const char *path, size_t len)
{
	bool matches = path_matches(rule, rule_len, path, len);

	FUZZ_REQUIRE(path_matches(path, len, path, len) == (len > 0));
	if (!matches)
		return;
	FUZZ_REQUIRE(rule_len > 0 && rule_len <= len && memcmp(rule, path, rule_len) == 0);
	FUZZ_REQUIRE(rule_len == len || rule[rule_len - 1] == '/');
	/* A rule that is the policy's to give never covers a route of the gateway. */
	if (rule_len > 1 && path_defect(rule, rule_len) == NULL)
		FUZZ_REQUIRE(path_is_reserved(rule, rule_len) == path_is_reserved(path, len));
}

/* A snapshot's name is one segment, and stays below /snapshots/. */
static void
check_name(const char *name, size_t len)
{
	static const char folder[] = "/snapshots/";
	enum { FOLDER_LEN = sizeof folder - 1 };
	char path[FOLDER_LEN + 128];

	if (!path_is_snapshot_name(name, len))
		return;
	FUZZ_REQUIRE(len <= sizeof path - FOLDER_LEN);
	FUZZ_REQUIRE(memchr(name, '/', len) == NULL);
	memcpy(path, folder, FOLDER_LEN);
	memcpy(path + FOLDER_LEN, name, len);
	FUZZ_REQUIRE(path_defect(path, FOLDER_LEN + len) == NULL);
	FUZZ_REQUIRE(path_is_reserved(path, FOLDER_LEN + len));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *line_feed = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t rule_len = line_feed != NULL ? (size_t)(line_feed - data) : 0;
	size_t skipped = line_feed != NULL ? rule_len + 1 : 0, len = size - skipped;
	char *rule = fuzz_copy(data, rule_len), *path = fuzz_copy(data + skipped, len);

	if (is_ascii(path, len))
		FUZZ_REQUIRE((path_defect(path, len) == NULL) == is_canonical(path, len));
	check_spelling(path, len);
	check_target(path, len);
	check_match(rule, rule_len, path, len);
	check_name(path, len);
	free(rule);
	free(path);
	return 0;
}
