/*
 * The rate of downloads, by a clock of the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "client/net/rate.h"

static int64_t now;

/* Instead of the client's. */
int64_t
clock_ms(void)
{
	return now;
}

static void
test_without_a_limit_nothing_is_waited_for(void **state)
{
	struct rate rate = {.limit = 0, .at = now};

	(void)state;
	rate_charge(&rate, SIZE_MAX);
	assert_int_equal(rate_wait(&rate), 0);
}

static void
test_what_came_is_waited_for_at_the_rate(void **state)
{
	struct rate rate = {.limit = 1000, .at = now};

	(void)state;
	assert_int_equal(rate_wait(&rate), 0);
	rate_charge(&rate, 500);
	assert_int_equal(rate_wait(&rate), 500);
	rate_charge(&rate, 1500);
	assert_int_equal(rate_wait(&rate), 2000);
}

static void
test_time_pays_what_came(void **state)
{
	struct rate rate = {.limit = 1000, .at = now};

	(void)state;
	rate_charge(&rate, 1000);
	now += 400;
	assert_int_equal(rate_wait(&rate), 600);
	now += 600;
	assert_int_equal(rate_wait(&rate), 0);
}

static void
test_time_in_which_nothing_came_is_not_saved_up(void **state)
{
	struct rate rate = {.limit = 1000, .at = now};

	(void)state;
	now += 1000 * 1000;
	rate_charge(&rate, 2000);
	assert_int_equal(rate_wait(&rate), 2000);
}

static void
test_over_many_pieces_the_rate_is_kept(void **state)
{
	struct rate rate = {.limit = 1000 * 1000, .at = now};
	const int64_t begun = now;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		rate_charge(&rate, 16 * 1024);
		now += rate_wait(&rate);
	}
	assert_in_range(now - begun, 163 * 1000, 164 * 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_without_a_limit_nothing_is_waited_for),
	    cmocka_unit_test(test_what_came_is_waited_for_at_the_rate),
	    cmocka_unit_test(test_time_pays_what_came),
	    cmocka_unit_test(test_time_in_which_nothing_came_is_not_saved_up),
	    cmocka_unit_test(test_over_many_pieces_the_rate_is_kept),
	};
	return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}
