/*
 * Entity tags and Content-Range, which decide whether a download goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/net/field.h"

static void
test_strong_etags_are_taken(void **state)
{
	static const char *const good[] = {
	    "\"\"", "\"a\"", "\"5f-3e8\"", "\"W/\"", "\"!#~\"", "\"\xe9\""};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(field_is_strong_etag(good[i]));
}

static void
test_weak_and_broken_etags_are_none(void **state)
{
	static const char *const bad[] = {"", "\"", "a", "W/\"a\"", "\"a", "a\"", " \"a\"",
	    "\"a\" ", "\"a\"b\"", "\"a b\"", "\"a\t\"", "\"a\x7f\"", "\"a\", \"b\"", "*"};

	(void)state;
	assert_false(field_is_strong_etag(NULL));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(field_is_strong_etag(bad[i]));
}

static void
test_the_rest_that_was_asked_for_is_taken(void **state)
{
	(void)state;
	assert_true(field_is_rest("bytes 500-999/1000", 500, 1000));
	assert_true(field_is_rest("bytes 999-999/1000", 999, 1000));
	assert_true(field_is_rest("bytes 0-0/1", 0, 1));
	assert_true(
	    field_is_rest("bytes 18446744073709551613-18446744073709551614/18446744073709551615",
	        UINT64_MAX - 2, UINT64_MAX));
}

static void
test_any_other_part_is_refused(void **state)
{
	static const char *const bad[] = {"", "bytes 0-999/1000", "bytes 499-999/1000",
	    "bytes 501-999/1000", "bytes 500-998/1000", "bytes 500-999/1001", "bytes 500-999/*",
	    "bytes */1000", "bytes=500-999/1000", "items 500-999/1000", "bytes 0500-999/1000",
	    "bytes 500-999/1000 ", " bytes 500-999/1000", "bytes  500-999/1000",
	    "bytes 500-999/1000, bytes 0-1/1000", "bytes +500-999/1000"};

	(void)state;
	assert_false(field_is_rest(NULL, 500, 1000));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(field_is_rest(bad[i], 500, 1000));
}

static void
test_behind_the_end_there_is_no_rest(void **state)
{
	(void)state;
	assert_false(field_is_rest("bytes 0-18446744073709551615/0", 0, 0));
	assert_false(field_is_rest("bytes 1000-999/1000", 1000, 1000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_strong_etags_are_taken),
	    cmocka_unit_test(test_weak_and_broken_etags_are_none),
	    cmocka_unit_test(test_the_rest_that_was_asked_for_is_taken),
	    cmocka_unit_test(test_any_other_part_is_refused),
	    cmocka_unit_test(test_behind_the_end_there_is_no_rest),
	};
	return cmocka_run_group_tests_name("field", tests, NULL, NULL);
}
