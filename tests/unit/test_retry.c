/*
 * When a request is sent again, and after how long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/net/retry.h"

enum { DRAWS = 1000 };

static void
test_only_what_may_pass_is_tried_again(void **state)
{
	const struct failure passing = {.passes = true}, lasting = {.passes = false};

	(void)state;
	assert_true(retry_is_due(&passing, 1, 5));
	assert_false(retry_is_due(&lasting, 1, 5));
}

static void
test_tries_have_an_end(void **state)
{
	const struct failure failure = {.passes = true};

	(void)state;
	assert_true(retry_is_due(&failure, 4, 5));
	assert_false(retry_is_due(&failure, 5, 5));
	assert_false(retry_is_due(&failure, 1, 1));
}

static void
test_a_server_that_asks_for_too_long_a_pause_is_not_waited_for(void **state)
{
	struct failure failure = {.passes = true, .retry_after = RETRY_AFTER_MAX};

	(void)state;
	assert_true(retry_is_due(&failure, 1, 5));
	failure.retry_after++;
	assert_false(retry_is_due(&failure, 1, 5));
}

/* All pauses after TRIES are from FIRST to LAST, and not all are the same. */
static void
assert_pauses(const struct failure *failure, unsigned tries, long first, long last)
{
	long least = last, most = first;

	for (int i = 0; i < DRAWS; i++) {
		long pause = retry_pause(failure, tries);
		assert_in_range(pause, first, last);
		least = pause < least ? pause : least;
		most = pause > most ? pause : most;
	}
	assert_true(least < most);
}

static void
test_pauses_double_up_to_half_a_minute(void **state)
{
	const struct failure failure = {.passes = true};

	(void)state;
	assert_pauses(&failure, 1, 250, 499);
	assert_pauses(&failure, 2, 500, 999);
	assert_pauses(&failure, 3, 1000, 1999);
	assert_pauses(&failure, 7, 15000, 29999);
	assert_pauses(&failure, 100, 15000, 29999);
}

static void
test_a_pause_is_never_shorter_than_the_server_asked_for(void **state)
{
	const struct failure failure = {.passes = true, .retry_after = 7};

	(void)state;
	assert_pauses(&failure, 1, 7000, 7499);
	assert_pauses(&failure, 9, 7000, 7499);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_only_what_may_pass_is_tried_again),
	    cmocka_unit_test(test_tries_have_an_end),
	    cmocka_unit_test(test_a_server_that_asks_for_too_long_a_pause_is_not_waited_for),
	    cmocka_unit_test(test_pauses_double_up_to_half_a_minute),
	    cmocka_unit_test(test_a_pause_is_never_shorter_than_the_server_asked_for),
	};
	return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
