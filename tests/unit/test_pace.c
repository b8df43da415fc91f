/*
 * How fast a client goes, by a clock of the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/client_side/pace.h"

static const struct pace_limits limits = {.rate = 1000, .window = 30, .pause = 20};
static const double start = 1e9; /* a day like any other */

static void
test_who_is_not_waited_for_may_take_any_time(void **state)
{
	struct pace pace = {0};

	(void)state;
	assert_int_equal(pace_judge(&pace, &limits, start + 1e6, 0), PACE_GOOD);
	pace_wait(&pace, start, 0);
	pace_rest(&pace, start + 29);
	assert_int_equal(pace_judge(&pace, &limits, start + 1e6, 0), PACE_GOOD);
}

static void
test_who_makes_no_progress_is_stalled_after_the_pause(void **state)
{
	struct pace pace = {0};

	(void)state;
	pace_wait(&pace, start, 5000);
	assert_int_equal(pace_judge(&pace, &limits, start + 19.9, 5000), PACE_GOOD);
	assert_int_equal(pace_judge(&pace, &limits, start + 20, 5000), PACE_STALLED);
}

static void
test_a_byte_taken_is_progress(void **state)
{
	struct pace pace = {0};

	(void)state;
	pace_wait(&pace, start, 5000);
	assert_int_equal(pace_judge(&pace, &limits, start + 19, 4999), PACE_GOOD);
	assert_int_equal(pace_judge(&pace, &limits, start + 38, 4999), PACE_TOO_SLOW);
	assert_int_equal(pace_judge(&pace, &limits, start + 39, 4999), PACE_STALLED);
}

static void
test_a_word_of_the_socket_is_progress(void **state)
{
	struct pace pace = {0};

	(void)state;
	pace_wait(&pace, start, 0);
	pace_progress(&pace, start + 15);
	assert_int_equal(pace_judge(&pace, &limits, start + 29, 0), PACE_GOOD);
}

static void
test_a_second_wait_does_not_hide_the_first(void **state)
{
	struct pace pace = {0};

	(void)state;
	pace_wait(&pace, start, 0);
	pace_wait(&pace, start + 19, 0);
	assert_int_equal(pace_judge(&pace, &limits, start + 20, 0), PACE_STALLED);
}

static void
test_without_limits_nobody_is_slow(void **state)
{
	const struct pace_limits none = {.window = 30};
	struct pace pace = {0};

	(void)state;
	pace_wait(&pace, start, 0);
	assert_int_equal(pace_judge(&pace, &none, start + 1e6, 0), PACE_GOOD);
}

/* An upload: what comes is moved, and nothing is ever on its way. */
static enum pace_verdict
upload(uint64_t bytes_per_second, int seconds)
{
	const struct pace_limits body = {.rate = 1000, .window = 30};
	struct pace pace = {0};

	pace_wait(&pace, start, 0);
	for (int second = 1; second <= seconds; second++) {
		pace_move(&pace, bytes_per_second);
		enum pace_verdict verdict = pace_judge(&pace, &body, start + second, 0);
		if (verdict != PACE_GOOD)
			return verdict;
	}
	return PACE_GOOD;
}

static void
test_an_upload_below_the_rate_is_too_slow_at_the_windows_end(void **state)
{
	(void)state;
	assert_int_equal(upload(999, 29), PACE_GOOD);
	assert_int_equal(upload(999, 30), PACE_TOO_SLOW);
	assert_int_equal(upload(0, 30), PACE_TOO_SLOW);
}

static void
test_an_upload_at_the_rate_goes_on_for_ever(void **state)
{
	(void)state;
	assert_int_equal(upload(1000, 10000), PACE_GOOD);
}

static void
test_each_window_is_judged_by_itself(void **state)
{
	const struct pace_limits body = {.rate = 1000, .window = 30};
	struct pace pace = {0};

	(void)state;
	pace_wait(&pace, start, 0);
	pace_move(&pace, 1000000); /* much more than one window needs */
	assert_int_equal(pace_judge(&pace, &body, start + 30, 0), PACE_GOOD);
	assert_int_equal(pace_judge(&pace, &body, start + 59, 0), PACE_GOOD);
	assert_int_equal(pace_judge(&pace, &body, start + 60, 0), PACE_TOO_SLOW);
}

static void
test_only_the_time_of_waiting_counts(void **state)
{
	struct pace pace = {0};
	double now = start;

	(void)state;
	/* A second blocked, then 99 in which the store sends nothing. */
	for (int i = 0; i < 29; i++) {
		pace_wait(&pace, now, 0);
		assert_int_equal(pace_judge(&pace, &limits, now + 1, 0), PACE_GOOD);
		pace_rest(&pace, now + 1);
		now += 100;
	}
	pace_wait(&pace, now, 0);
	assert_int_equal(pace_judge(&pace, &limits, now + 0.5, 0), PACE_GOOD);
	assert_int_equal(pace_judge(&pace, &limits, now + 1, 0), PACE_TOO_SLOW);
}

static void
test_what_is_on_its_way_is_not_taken(void **state)
{
	struct pace pace = {0};

	(void)state;
	pace_move(&pace, 40000);
	pace_wait(&pace, start, 30001);
	pace_progress(&pace, start + 29);
	assert_int_equal(pace_judge(&pace, &limits, start + 30, 10001), PACE_TOO_SLOW);
	assert_int_equal(pace_judge(&pace, &limits, start + 30, 10000), PACE_GOOD);
}

static void
test_what_was_on_its_way_counts_in_the_next_window(void **state)
{
	struct pace pace = {0};

	(void)state;
	pace_move(&pace, 70000);
	pace_wait(&pace, start, 70000);
	assert_int_equal(pace_judge(&pace, &limits, start + 30, 35000), PACE_GOOD);
	assert_int_equal(pace_judge(&pace, &limits, start + 60, 5000), PACE_GOOD);
	assert_int_equal(pace_judge(&pace, &limits, start + 90, 0), PACE_TOO_SLOW);
}

static void
test_a_clock_set_back_makes_nobody_slow(void **state)
{
	struct pace pace = {0};

	(void)state;
	pace_wait(&pace, start, 0);
	assert_int_equal(pace_judge(&pace, &limits, start - 3600, 0), PACE_GOOD);
	pace_rest(&pace, start - 3600);
	pace_wait(&pace, start - 3600, 0);
	assert_int_equal(pace_judge(&pace, &limits, start - 3600 + 19, 0), PACE_GOOD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_who_is_not_waited_for_may_take_any_time),
	    cmocka_unit_test(test_who_makes_no_progress_is_stalled_after_the_pause),
	    cmocka_unit_test(test_a_byte_taken_is_progress),
	    cmocka_unit_test(test_a_word_of_the_socket_is_progress),
	    cmocka_unit_test(test_a_second_wait_does_not_hide_the_first),
	    cmocka_unit_test(test_without_limits_nobody_is_slow),
	    cmocka_unit_test(test_an_upload_below_the_rate_is_too_slow_at_the_windows_end),
	    cmocka_unit_test(test_an_upload_at_the_rate_goes_on_for_ever),
	    cmocka_unit_test(test_each_window_is_judged_by_itself),
	    cmocka_unit_test(test_only_the_time_of_waiting_counts),
	    cmocka_unit_test(test_what_is_on_its_way_is_not_taken),
	    cmocka_unit_test(test_what_was_on_its_way_counts_in_the_next_window),
	    cmocka_unit_test(test_a_clock_set_back_makes_nobody_slow),
	};

	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
