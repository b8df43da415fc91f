/*
 * The file of credentials for the store: what it may hold, and what is made of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config/config_credentials.h"

static void
assert_field(const char *text, const char *expected)
{
	const char *defect = "";
	char *field = config_credentials_field(text, strlen(text), &defect);

	assert_null(defect);
	assert_string_equal(field, expected);
	free(field);
}

static void
assert_defect(const char *text, size_t len, const char *expected)
{
	const char *defect = NULL;

	assert_null(config_credentials_field(text, len, &defect));
	assert_string_equal(defect, expected);
}

static void
assert_texts_defect(const char *text, const char *expected)
{
	assert_defect(text, strlen(text), expected);
}

/* The examples of RFC 7617, 2 and RFC 6750, 2.1. */
static void
test_fields_are_those_of_the_standards(void **state)
{
	(void)state;
	assert_field("basic Aladdin:open sesame\n", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
	assert_field("basic test:123\xc2\xa3", "Basic dGVzdDoxMjPCow==");
	assert_field("bearer mF_9.B5f-4.1JqM\n", "Bearer mF_9.B5f-4.1JqM");
	assert_field("bearer a+/~==", "Bearer a+/~==");
}

static void
test_base64_of_every_length(void **state)
{
	(void)state;
	assert_field("basic a:", "Basic YTo=");
	assert_field("basic a:b", "Basic YTpi");
	assert_field("basic a:bc", "Basic YTpiYw==");
	assert_field("basic a:b:c\xff", "Basic YTpiOmP/");
}

static void
test_other_files_are_refused(void **state)
{
	static const char kind[] = "must be \"basic USER:PASSWORD\" or \"bearer TOKEN\"";
	static const char pair[] = "must have USER:PASSWORD after \"basic \"";
	static const char token[] = "must have a token of RFC 6750 after \"bearer \"";
	static const char line[] = "must have one line, without control characters";

	(void)state;
	assert_texts_defect("", kind);
	assert_texts_defect("\n", kind);
	assert_texts_defect("basic", kind);
	assert_texts_defect("Basic a:b", kind);
	assert_texts_defect(" basic a:b", kind);
	assert_texts_defect("a:b", kind);
	assert_texts_defect("basic ", pair);
	assert_texts_defect("basic ab", pair);
	assert_texts_defect("basic :b", pair);
	assert_texts_defect("bearer ", token);
	assert_texts_defect("bearer =", token);
	assert_texts_defect("bearer a b", token);
	assert_texts_defect("bearer a=b", token);
	assert_texts_defect("bearer  a", token);
	assert_texts_defect("basic a:b\n\n", line);
	assert_texts_defect("basic a:b\r\n", line);
	assert_texts_defect("basic a:b\nbearer c", line);
	assert_texts_defect("basic a:\tb", line);
	assert_defect("basic a:b\0c", sizeof "basic a:b\0c" - 1, line);
	assert_defect("bearer a\0", sizeof "bearer a\0" - 1, line);
}

static void
test_a_long_file_is_refused(void **state)
{
	char text[CONFIG_CREDENTIALS_MAX + 1] = "bearer ";

	(void)state;
	memset(text + 7, 'a', sizeof text - 7);
	assert_defect(text, sizeof text, "is too long");
	const char *defect = "";
	free(config_credentials_field(text, sizeof text - 1, &defect));
	assert_null(defect);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fields_are_those_of_the_standards),
	    cmocka_unit_test(test_base64_of_every_length),
	    cmocka_unit_test(test_other_files_are_refused),
	    cmocka_unit_test(test_a_long_file_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
