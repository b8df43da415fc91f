/*
 * Paths: the one form they may have, what is reserved, and how rules match them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/path.h"

static void
assert_canonical(const char *path)
{
	const char *defect = path_defect(path, strlen(path));
	if (defect != NULL)
		fail_msg("\"%s\" is refused: %s", path, defect);
}

static void
assert_refused(const char *path)
{
	if (path_defect(path, strlen(path)) == NULL)
		fail_msg("\"%s\" is accepted", path);
}

static void
test_ordinary_paths_are_canonical(void **state)
{
	(void)state;
	assert_canonical("/");
	assert_canonical("/a");
	assert_canonical("/a/");
	assert_canonical("/artifacts/step-core/10.3/core.zip");
	assert_canonical("/A-Z/a.z/0_9/~+@=:,!$&'()");
	assert_canonical("/...");
	assert_canonical("/.hidden/..x/x..");
	assert_canonical("/My Product/[x] #1^{2}.zip");
	assert_canonical("/ leading/a . b");
}

static void
test_paths_with_escapes_or_in_need_of_cleaning_are_refused(void **state)
{
	(void)state;
	static const char *const paths[] = {"", "a", "a/b", "//", "//a", "/a//b", "/a//", "/.",
	    "/./a", "/a/.", "/a/./", "/..", "/../a", "/a/..", "/a/../b", "/%61", "/a%2fb", "/%",
	    "/%2e%2e/a", "/a;b", "/a;v=1/b", "/*", "/a\\b", "/a?b", "/a?", "/a\tb", "/a\r\n",
	    "/a\"b", "/<a>", "/a|b", "/`a", "/a\x7f", "/\x01", "http://store/a", "*"};
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		assert_refused(paths[i]);
}

/* Windows would leave the space off, and find another file. */
static void
test_a_segment_does_not_end_in_a_space(void **state)
{
	(void)state;
	static const char *const paths[] = {"/ ", "/a ", "/a /b", "/ /b", "/a .", "/. ", "/.. /b",
	    "/. ./b", "/a .../b", "/a\xe3\x80\x80/b"};
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		assert_refused(paths[i]);
}

static void
test_names_outside_ascii_are_canonical_in_their_one_spelling(void **state)
{
	(void)state;
	assert_canonical("/caf\xc3\xa9/\xe6\x97\xa5\xe6\x9c\xac.zip");
	assert_canonical("/\xc3\x85ngstr\xc3\xb6m \xf0\x9f\x98\x80");
	assert_canonical("/\xef\xbc\x9f\xef\xbc\x88wait\xe2\x80\xa6x\xef\xbc\x89");
	static const char *const paths[] = {
	    "/cafe\xcc\x81",                  /* e and an accent: form D */
	    "/\xe2\x84\xab", "/\xe2\x84\xaa", /* angstrom and kelvin signs */
	    "/\xe1\x84\x80\xe1\x85\xa1",      /* a Hangul syllable in two parts */
	    "/a\xcc\xa3\xcc\x87\xcc\xa3",     /* marks in another order */
	    "/caf\xe9", "/\x80", "/\xc3", "/\xc0\xae", "/\xc0\xaf", "/\xe0\x80\xae",
	    "/\xed\xa0\x80", "/\xf4\x90\x80\x80", "/\xff",                          /* not UTF-8 */
	    "/\xc2\x80", "/\xc2\x85", "/\xe2\x80\xa8", "/\xe2\x80\xa9",             /* controls */
	    "/\xef\xbf\xbe", "/\xef\xbf\xbf", "/\xcd\xb8",                          /* unassigned */
	    "/a\xe2\x80\xaegpj.exe", "/\xe2\x81\xa6", "/\xe2\x80\x8f", "/\xd8\x9c", /* direction */
	};
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		assert_refused(paths[i]);
}

static void
test_characters_that_a_store_may_take_for_a_separator_are_refused(void **state)
{
	(void)state;
	static const char *const paths[] = {
	    "/a\xef\xbc\x8f"
	    "b", /* full-width slash */
	    "/a\xef\xbc\xbc"
	    "b",                                  /* full-width backslash */
	    "/\xef\xbc\x8e\xef\xbc\x8e/a",        /* full-width dots */
	    "/\xe2\x80\xa5/a", "/\xe2\x80\xa4/a", /* two-dot and one-dot leader */
	    "/a\xef\xbc\x85"
	    "2e",            /* full-width percent sign */
	    "/\xe2\x84\x80", /* a/c as one character */
	    "/a\xe2\x88\x95"
	    "b",
	    "/a\xe2\x81\x84"
	    "b", /* division and fraction slash */
	    "/a\xc2\xa5"
	    "b",
	    "/a\xe2\x82\xa9"
	    "b", /* yen and won: a backslash in 932, 949 */
	};
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		assert_refused(paths[i]);
}

static void
test_every_byte_is_judged_as_the_design_says(void **state)
{
	(void)state;
	static const char allowed[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	    "-._~+@=:,!$&'() #[]^{}/";
	for (int byte = 0; byte < 256; byte++) {
		char path[] = {'/', 'x', (char)byte, 'x'};
		bool accepted = path_defect(path, sizeof path) == NULL;
		bool expected = byte != 0 && strchr(allowed, byte) != NULL;
		if (accepted != expected)
			fail_msg("byte 0x%02x: accepted is %d", (unsigned)byte, accepted);
	}
}

static void
test_a_path_ends_at_its_length_not_at_a_nul(void **state)
{
	(void)state;
	assert_non_null(path_defect("/a\0b", 4));
	assert_null(path_defect("/a?", 2));
}

static void
test_the_longest_path_is_4096_bytes(void **state)
{
	(void)state;
	char path[PATH_MAX_BYTES + 1];
	memset(path, 'a', sizeof path);
	path[0] = '/';
	assert_null(path_defect(path, PATH_MAX_BYTES));
	assert_non_null(path_defect(path, PATH_MAX_BYTES + 1));
}

static bool
is_reserved(const char *path)
{
	return path_is_reserved(path, strlen(path));
}

static void
test_the_gateways_routes_are_reserved(void **state)
{
	(void)state;
	assert_true(is_reserved("/snapshots"));
	assert_true(is_reserved("/snapshots/"));
	assert_true(is_reserved("/snapshots/acme/prod-1/x.json"));
	assert_true(is_reserved("/licence"));
	assert_true(is_reserved("/crl"));
	assert_true(is_reserved("/crl/x"));
	assert_true(is_reserved("/healthz"));
	assert_true(is_reserved("/healthz/x"));
	assert_true(is_reserved("/readyz"));
	assert_true(is_reserved("/status"));
	assert_true(is_reserved("/status.json"));
	assert_true(is_reserved("/metrics"));
}

static void
test_names_that_only_look_reserved_are_not(void **state)
{
	(void)state;
	assert_false(is_reserved("/"));
	assert_false(is_reserved(""));
	assert_false(is_reserved("snapshots"));
	assert_false(is_reserved("/snapshot"));
	assert_false(is_reserved("/snapshots2"));
	assert_false(is_reserved("/Snapshots/"));
	assert_false(is_reserved("/status.jsonp"));
	assert_false(is_reserved("/crls"));
	assert_false(is_reserved("/a/snapshots/"));
	assert_false(is_reserved("/statu"));
}

static bool
matches(const char *rule, const char *path)
{
	return path_matches(rule, strlen(rule), path, strlen(path));
}

static void
test_a_rule_with_a_slash_covers_what_is_below_it(void **state)
{
	(void)state;
	assert_true(matches("/a/", "/a/b"));
	assert_true(matches("/a/", "/a/b/c/"));
	assert_true(matches("/a/", "/a/"));
	assert_true(matches("/", "/a"));
	assert_false(matches("/a/", "/a"));
	assert_false(matches("/a/", "/ab/c"));
	assert_false(matches("/a/", "/A/b"));
	assert_false(matches("/a/", "/b/a/c"));
}

static void
test_a_rule_without_a_slash_covers_one_file(void **state)
{
	(void)state;
	assert_true(matches("/a/b", "/a/b"));
	assert_false(matches("/a/b", "/a/b/"));
	assert_false(matches("/a/b", "/a/bc"));
	assert_false(matches("/a/b", "/a/b/c"));
	assert_false(matches("/a/b", "/a/"));
	assert_false(matches("", "/a"));
}

static bool
is_name(const char *name)
{
	return path_is_snapshot_name(name, strlen(name));
}

static void
test_snapshot_names_follow_their_pattern(void **state)
{
	(void)state;
	char name[129];
	memset(name, 'n', sizeof name);
	assert_true(path_is_snapshot_name(name, 128));
	assert_false(path_is_snapshot_name(name, 129));
	assert_true(is_name("prod-1"));
	assert_true(is_name("0"));
	assert_true(is_name("A.b_C-d.."));
	assert_false(is_name(""));
	assert_false(is_name("."));
	assert_false(is_name(".."));
	assert_false(is_name("-x"));
	assert_false(is_name("_x"));
	assert_false(is_name("a/b"));
	assert_false(is_name("a b"));
	assert_false(is_name("a%2f"));
	assert_false(is_name("\xc3\xa9"));
	assert_false(path_is_snapshot_name("a\0b", 3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ordinary_paths_are_canonical),
	    cmocka_unit_test(test_paths_with_escapes_or_in_need_of_cleaning_are_refused),
	    cmocka_unit_test(test_a_segment_does_not_end_in_a_space),
	    cmocka_unit_test(test_names_outside_ascii_are_canonical_in_their_one_spelling),
	    cmocka_unit_test(test_characters_that_a_store_may_take_for_a_separator_are_refused),
	    cmocka_unit_test(test_every_byte_is_judged_as_the_design_says),
	    cmocka_unit_test(test_a_path_ends_at_its_length_not_at_a_nul),
	    cmocka_unit_test(test_the_longest_path_is_4096_bytes),
	    cmocka_unit_test(test_the_gateways_routes_are_reserved),
	    cmocka_unit_test(test_names_that_only_look_reserved_are_not),
	    cmocka_unit_test(test_a_rule_with_a_slash_covers_what_is_below_it),
	    cmocka_unit_test(test_a_rule_without_a_slash_covers_one_file),
	    cmocka_unit_test(test_snapshot_names_follow_their_pattern),
	};
	return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
