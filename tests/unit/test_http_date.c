/*
 * HTTP dates: one text for each second, and no other text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/http/http_date.h"
#include "random.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct {
	time_t when;
	const char *text;
} dates[] = {{784111777, "Sun, 06 Nov 1994 08:49:37 GMT"}, {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
    {-1, "Wed, 31 Dec 1969 23:59:59 GMT"}, {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
    {2147483648, "Tue, 19 Jan 2038 03:14:08 GMT"}, {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"},
    {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"}};

static bool
parses(const char *text, time_t *when)
{
	return http_date_parse(text, strlen(text), when);
}

static void
test_dates_are_printed_and_parsed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(dates); i++) {
		char text[HTTP_DATE_LEN + 1];
		time_t when = 1;
		http_date_print(dates[i].when, text);
		assert_string_equal(text, dates[i].text);
		assert_true(parses(dates[i].text, &when));
		assert_int_equal(when, dates[i].when);
	}
}

static void
test_any_other_text_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "Sunday, 06-Nov-94 08:49:37 GMT",
	    "Sun Nov  6 08:49:37 1994", "Mon, 06 Nov 1994 08:49:37 GMT",
	    "sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
	    "Sun, 06 Nov 1994 08:49:37 gmt", "Sun, 06 Nov 1994 08:49:37 UTC",
	    "Sun, 06 Nov 1994 08:49:37 EST", "Sun, 06 Nov 1994 08:49:37",
	    "Sun, 06 Nov 1994 08:49:37 GMT ", " Sun, 06 Nov 1994 08:49:37 GMT",
	    "Sun, 06 Nov 1994 08:49:37  GM", "Sun,  6 Nov 1994 08:49:37 GMT",
	    "Sun; 06 Nov 1994 08:49:37 GMT", "Sun, 06-Nov-1994 08:49:37 GMT",
	    "Sun, 06 Nov 1994 8:49:37  GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
	    "Mon, 07 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:00 GMT",
	    "Sun, 06 Nov 1994 08:49:60 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
	    "Thu, 31 Nov 1994 08:49:37 GMT", "Thu, 30 Feb 2000 00:00:00 GMT",
	    "Mon, 29 Feb 2100 00:00:00 GMT", "Sun, 06 Foo 1994 08:49:37 GMT",
	    "Sun, 06 Nov -994 08:49:37 GMT", "Sun, 06 Nov 199x 08:49:37 GMT",
	    "Sun, +6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08.49.37 GMT",
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};
	time_t when;

	for (size_t i = 0; i < COUNT(texts); i++)
		if (parses(texts[i], &when))
			fail_msg("\"%s\" is taken for a date", texts[i]);
	assert_false(http_date_parse("Sun, 06 Nov 1994 08:49:37 G\0T", HTTP_DATE_LEN, &when));
}

static void
test_a_date_ends_at_its_length(void **state)
{
	(void)state;
	const char *text = "Sun, 06 Nov 1994 08:49:37 GMTx";
	time_t when;

	assert_true(http_date_parse(text, HTTP_DATE_LEN, &when));
	assert_false(http_date_parse(text, HTTP_DATE_LEN + 1, &when));
	for (size_t len = 0; len < HTTP_DATE_LEN; len++)
		assert_false(http_date_parse(text, len, &when));
}

static void
test_times_without_a_four_digit_year_are_printed_as_1970(void **state)
{
	(void)state;
	char text[HTTP_DATE_LEN + 1];

	http_date_print(253402300800, text);
	assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
	http_date_print((time_t)INT64_MAX, text);
	assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
	http_date_print((time_t)INT64_MIN, text);
	assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
}

static void
test_what_is_printed_parses_back_for_any_second(void **state)
{
	(void)state;
	uint64_t seed = 7;

	for (int i = 0; i < 100000; i++) {
		char text[HTTP_DATE_LEN + 1];
		time_t when = (time_t)random_below(&seed, 253402300800), again;
		http_date_print(when, text);
		assert_int_equal(strlen(text), HTTP_DATE_LEN);
		assert_true(parses(text, &again));
		assert_int_equal(again, when);
	}
}

static void
test_one_changed_byte_never_gives_the_same_second(void **state)
{
	(void)state;
	uint64_t seed = 8;
	int accepted = 0;

	for (int i = 0; i < 100000; i++) {
		char text[] = "Sun, 06 Nov 1994 08:49:37 GMT";
		size_t at = random_below(&seed, HTTP_DATE_LEN);
		char byte = (char)random_below(&seed, 256), before = text[at];
		time_t when;
		text[at] = byte;
		if (byte == before || !http_date_parse(text, HTTP_DATE_LEN, &when))
			continue;
		assert_int_not_equal(when, 784111777);
		accepted++;
	}
	assert_true(accepted > 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_dates_are_printed_and_parsed),
	    cmocka_unit_test(test_any_other_text_is_refused),
	    cmocka_unit_test(test_a_date_ends_at_its_length),
	    cmocka_unit_test(test_times_without_a_four_digit_year_are_printed_as_1970),
	    cmocka_unit_test(test_what_is_printed_parses_back_for_any_second),
	    cmocka_unit_test(test_one_changed_byte_never_gives_the_same_second),
	};
	return cmocka_run_group_tests_name("http_date", tests, NULL, NULL);
}
