/*
 * How a path is written in a request: every spelling is read, and one is written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/path_spelling.h"
#include "base/unicode.h"

static void
assert_decodes(const char *target, const char *expected)
{
	char path[PATH_ROOM];
	size_t len = 0;
	const char *defect = path_spelling_decode(target, strlen(target), path, &len);

	if (defect != NULL)
		fail_msg("\"%s\" is refused: %s", target, defect);
	assert_int_equal(len, strlen(expected));
	assert_memory_equal(path, expected, len);
}

static void
assert_defect(const char *target, const char *expected)
{
	char path[PATH_ROOM];
	size_t len;
	const char *defect = path_spelling_decode(target, strlen(target), path, &len);

	assert_non_null(defect);
	assert_string_equal(defect, expected);
}

static void
test_a_target_is_decoded_once(void **state)
{
	(void)state;
	assert_decodes("", "");
	assert_decodes("/a+b~c", "/a+b~c");
	assert_decodes("/a%2bb%7Ec%20", "/a+b~c ");
	assert_decodes("/%C3%a9", "/\xc3\xa9");
	assert_decodes("/%2e%2E/%3b", "/../;"); /* which path_defect() judges */
}

static void
test_what_could_be_read_in_two_ways_is_not_decoded(void **state)
{
	(void)state;
	static const char no_digits[] = "has a % without two hex digits behind it";

	assert_defect("/%", no_digits);
	assert_defect("/%2", no_digits);
	assert_defect("/%g0", no_digits);
	assert_defect("/%0g", no_digits);
	assert_defect("/%%41", no_digits);
	assert_defect("/%u002e", no_digits);
	assert_defect("/%00", "has an encoded control character");
	assert_defect("/%1f", "has an encoded control character");
	assert_defect("/%7F", "has an encoded control character");
	assert_defect("/%2f", "has an encoded slash or backslash");
	assert_defect("/%5C", "has an encoded slash or backslash");
	assert_defect("/%252e", "has an encoded %, which could be decoded twice");
	assert_defect("/a#b", "has a fragment");
}

static void
test_a_target_that_is_too_long_is_seen_to_be(void **state)
{
	(void)state;
	static char target[3 * PATH_ROOM + 4];
	char path[PATH_ROOM];
	size_t len;

	for (size_t i = 0; i < PATH_ROOM + 1; i++)
		memcpy(target + 3 * i, "%41", 3);
	assert_null(path_spelling_decode(target, 3 * (size_t)(PATH_ROOM + 1), path, &len));
	assert_int_equal(len, PATH_MAX_BYTES + 1);
}

static void
assert_encodes(const char *path, const char *expected)
{
	struct buffer out = {0};

	path_spelling_encode(path, strlen(path), &out);
	assert_int_equal(buffer_size(&out), strlen(expected));
	assert_memory_equal(buffer_bytes(&out), expected, strlen(expected));
	buffer_fini(&out);
}

static void
test_a_path_has_one_spelling(void **state)
{
	(void)state;
	assert_encodes("/", "/");
	assert_encodes("/AZaz09-._~/", "/AZaz09-._~/");
	assert_encodes("/+@=:,!$&'()", "/%2B%40%3D%3A%2C%21%24%26%27%28%29");
	assert_encodes("/ #[]^{}", "/%20%23%5B%5D%5E%7B%7D");
	assert_encodes("/caf\xc3\xa9", "/caf%C3%A9");
}

static void
assert_folds(const char *text, const char *expected)
{
	char *folded = unicode_folded(text, strlen(text));

	assert_string_equal(folded, expected);
	free(folded);
}

static void
test_names_are_folded_as_file_systems_do(void **state)
{
	(void)state;
	assert_folds("A/\xc3\x89", "a/\xc3\xa9");
	assert_folds("\xc5\xbfpot", "spot");      /* a long s */
	assert_folds("sp\xe2\x80\x8cot", "spot"); /* a zero-width non-joiner */
	assert_folds("\xef\xbc\xa1", "a");        /* full-width A */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_target_is_decoded_once),
	    cmocka_unit_test(test_what_could_be_read_in_two_ways_is_not_decoded),
	    cmocka_unit_test(test_a_target_that_is_too_long_is_seen_to_be),
	    cmocka_unit_test(test_a_path_has_one_spelling),
	    cmocka_unit_test(test_names_are_folded_as_file_systems_do),
	};
	return cmocka_run_group_tests_name("path spelling", tests, NULL, NULL);
}
