/*
 * The strict gate: Range and conditions. What cannot be read is ignored, which makes the answer
 * longer and never wrong; what is passed on is in the one form that stores agree on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "request_fixture.h"

static void
read_fields(const char *method, const char *fields)
{
	char all[FIELD_MAX];

	(void)snprintf(all, sizeof all, HOST "%s", fields);
	assert_accepted(judge_fields(method, all), fields);
}

static void
read_field(const char *name, const char *value)
{
	char field[FIELD_MAX / 2];

	(void)snprintf(field, sizeof field, "%s: %s\r\n", name, value);
	read_fields("GET", field);
}

static void
test_a_single_range_is_read(void **state)
{
	(void)state;
	static const struct {
		const char *value;
		struct request_range range;
	} cases[] = {{"bytes=0-", {RANGE_FROM, 0, 0}}, {"bytes=5-", {RANGE_FROM, 5, 0}},
	    {"bytes=0-0", {RANGE_FROM_TO, 0, 0}}, {"bytes=5-9", {RANGE_FROM_TO, 5, 9}},
	    {"bytes=0-999999999999999999", {RANGE_FROM_TO, 0, 999999999999999999}},
	    {"bytes=00-009", {RANGE_FROM_TO, 0, 9}}, {"bytes=-5", {RANGE_SUFFIX, 0, 5}},
	    {"bytes=-0", {RANGE_SUFFIX, 0, 0}}};

	for (size_t i = 0; i < COUNT(cases); i++) {
		read_field("Range", cases[i].value);
		if (request.range.form != cases[i].range.form)
			fail_msg("%s: form %d", cases[i].value, request.range.form);
		assert_true(request.range.first == cases[i].range.first);
		assert_true(request.range.last == cases[i].range.last);
	}
}

static void
test_any_other_range_is_ignored(void **state)
{
	(void)state;
	static const char *const values[] = {"", "bytes", "bytes=", "bytes=-", "bytes=5",
	    "bytes=9-5", "bytes=0-1,3-4", "bytes=0-1,", "bytes=,0-1", "bytes= 0-1", "bytes=0 -1",
	    "bytes=0- 1", "bytes=0-1 ,", "bytes =0-1", "Bytes=0-1", "bytes:0-1", "items=0-1",
	    "bytes=+0-1", "bytes=0-+1", "bytes=--5", "bytes=0x0-1", "bytes=a-b", "bytes=0-1-2",
	    "bytes=1000000000000000000-", "bytes=0-18446744073709551616",
	    "bytes=-18446744073709551616", "bytes 0-1/5", "none"};

	for (size_t i = 0; i < COUNT(values); i++) {
		read_field("Range", values[i]);
		if (request.range.form != RANGE_NONE)
			fail_msg("\"%s\" is taken for a range", values[i]);
	}
}

static void
test_range_counts_once_and_for_get_only(void **state)
{
	(void)state;
	read_fields("GET", "range: bytes=0-1\r\n");
	assert_int_equal(request.range.form, RANGE_FROM_TO);
	read_fields("GET", "Range: bytes=0-1\r\nRange: bytes=0-1\r\n");
	assert_int_equal(request.range.form, RANGE_NONE);
	read_fields("HEAD", "Range: bytes=0-1\r\n");
	assert_int_equal(request.range.form, RANGE_NONE);
	read_fields("PUT", "Range: bytes=0-1\r\n");
	assert_int_equal(request.range.form, RANGE_NONE);
}

static void
test_if_range_holds_a_strong_tag_or_a_date(void **state)
{
	(void)state;
	static const char *const values[] = {
	    "\"x\"", "\"\"", "\"a-b,c\"", "\"W/x\"", "Sun, 06 Nov 1994 08:49:37 GMT"};

	for (size_t i = 0; i < COUNT(values); i++) {
		char fields[FIELD_MAX / 2];
		(void)snprintf(
		    fields, sizeof fields, "Range: bytes=5-\r\nIf-Range: %s\r\n", values[i]);
		read_fields("GET", fields);
		assert_int_equal(request.range.form, RANGE_FROM);
		assert_true(http_span_is(request.if_range, values[i]));
	}
}

static void
test_a_range_under_a_condition_that_cannot_be_read_is_ignored(void **state)
{
	(void)state;
	static const char *const values[] = {"", "W/\"x\"", "*", "x", "\"x", "x\"", "\"x\"y",
	    "\"x\", \"y\"", "\"x y\"", "\"", "'x'", "0", "Sunday, 06-Nov-94 08:49:37 GMT",
	    "Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37", "\"x\"\r\nIf-Range: \"x\""};

	for (size_t i = 0; i < COUNT(values); i++) {
		char fields[FIELD_MAX / 2];
		(void)snprintf(
		    fields, sizeof fields, "Range: bytes=5-\r\nIf-Range: %s\r\n", values[i]);
		read_fields("GET", fields);
		if (request.range.form != RANGE_NONE || request.if_range.bytes != NULL)
			fail_msg("the range holds under If-Range: %s", values[i]);
	}
}

static void
test_if_range_without_a_range_means_nothing(void **state)
{
	(void)state;
	read_fields("GET", "If-Range: \"x\"\r\n");
	assert_null(request.if_range.bytes);
	read_fields("GET", "If-Range: \"x\"\r\nRange: bytes=0-1,3-4\r\n");
	assert_null(request.if_range.bytes);
	read_fields("HEAD", "If-Range: \"x\"\r\nRange: bytes=0-1\r\n");
	assert_null(request.if_range.bytes);
}

static void
test_if_none_match_holds_entity_tags_or_an_asterisk(void **state)
{
	(void)state;
	static const char *const values[] = {"\"x\"", "W/\"x\"", "*", "\"\"", "\"a\", \"b\"",
	    "\"a\",\"b\"", "\"a\" , W/\"b\",\"c\"", "\"a,b\"", "\"a\\\""};

	for (size_t i = 0; i < COUNT(values); i++) {
		read_field("If-None-Match", values[i]);
		if (!http_span_is(request.if_none_match, values[i]))
			fail_msg("%s is ignored", values[i]);
	}
	assert_accepted(judge_fields("HEAD", HOST "If-None-Match: \"x\"\r\n"), "HEAD");
	assert_true(http_span_is(request.if_none_match, "\"x\""));
}

static void
test_any_other_if_none_match_is_ignored(void **state)
{
	(void)state;
	static const char *const values[] = {"", "x", "\"x", "x\"", "\"", "w/\"x\"", "W/x", "W/",
	    "W", "*, \"x\"", "\"x\", *", "**", "\"x\" y", "\"x\", y", "'x'", "\"a b\"",
	    "\"a\", \"b", "\"x\"\r\nIf-None-Match: \"y\""};

	for (size_t i = 0; i < COUNT(values); i++) {
		read_field("If-None-Match", values[i]);
		if (request.if_none_match.bytes != NULL)
			fail_msg("\"%s\" is taken for entity tags", values[i]);
	}
}

static void
test_if_modified_since_holds_one_date(void **state)
{
	(void)state;
	read_field("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT");
	assert_true(request.has_if_modified_since);
	assert_int_equal(request.if_modified_since, 784111777);
	static const char *const values[] = {"", "0", "-1", "now", "Sunday, 06-Nov-94 08:49:37 GMT",
	    "Sun Nov  6 08:49:37 1994", "Mon, 06 Nov 1994 08:49:37 GMT",
	    "Sun, 06 Nov 1994 08:49:37 UTC",
	    "Sun, 06 Nov 1994 08:49:37 GMT\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"};
	for (size_t i = 0; i < COUNT(values); i++) {
		read_field("If-Modified-Since", values[i]);
		if (request.has_if_modified_since)
			fail_msg("\"%s\" is taken for a date", values[i]);
	}
}

static void
test_tags_even_unreadable_ones_override_the_date(void **state)
{
	(void)state;
#define SINCE "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
	read_fields("GET", SINCE);
	assert_true(request.has_if_modified_since);
	read_fields("GET", SINCE "If-None-Match: \"x\"\r\n");
	assert_false(request.has_if_modified_since);
	assert_non_null(request.if_none_match.bytes);
	read_fields("GET", "If-None-Match: x\r\n" SINCE);
	assert_false(request.has_if_modified_since);
	assert_null(request.if_none_match.bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_single_range_is_read),
	    cmocka_unit_test(test_any_other_range_is_ignored),
	    cmocka_unit_test(test_range_counts_once_and_for_get_only),
	    cmocka_unit_test(test_if_range_holds_a_strong_tag_or_a_date),
	    cmocka_unit_test(test_a_range_under_a_condition_that_cannot_be_read_is_ignored),
	    cmocka_unit_test(test_if_range_without_a_range_means_nothing),
	    cmocka_unit_test(test_if_none_match_holds_entity_tags_or_an_asterisk),
	    cmocka_unit_test(test_any_other_if_none_match_is_ignored),
	    cmocka_unit_test(test_if_modified_since_holds_one_date),
	    cmocka_unit_test(test_tags_even_unreadable_ones_override_the_date),
	};
	return cmocka_run_group_tests_name("request_conditions", tests, NULL, NULL);
}
