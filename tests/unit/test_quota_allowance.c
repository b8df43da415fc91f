/*
 * Allowances of a customer: so many in so many seconds, so many snapshots a day.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quota_fixture.h"

static const time_t day = 86400, noon = 20000L * 86400 + 43200;

static const struct quota_allowance few = {.n = 3, .seconds = 3600, .ahead = 3600};

static void
test_an_allowance_is_taken_up_to_its_end(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_true(quota_rate_wait(quota, QUOTA_REQUESTS, key("a"), few) == 0);
		assert_true(quota_rate_take(quota, QUOTA_REQUESTS, key("a"), few));
	}
	for (int i = 0; i < 100; i++)
		assert_false(quota_rate_take(quota, QUOTA_REQUESTS, key("a"), few));
	double wait = quota_rate_wait(quota, QUOTA_REQUESTS, key("a"), few);
	assert_true(wait > 1000 && wait <= 1200);
	assert_true(quota_rate_take(quota, QUOTA_REQUESTS, key("b"), few));
	assert_true(quota_rate_take(quota, QUOTA_REFUSALS, key("a"), few));
}

static void
test_an_allowance_refills(void **state)
{
	(void)state;
	const struct quota_allowance quick = {.n = 50, .seconds = 1, .ahead = 1};
	double start = clock_seconds();
	int taken = 0;

	while (taken < 60 && clock_seconds() - start < DEADLINE)
		taken += quota_rate_take(quota, QUOTA_REQUESTS, key("a"), quick);
	assert_int_equal(taken, 60);
	assert_true(60 <= 50 + 50 * (clock_seconds() - start) + 1);
}

static void
test_what_is_charged_in_any_case_is_a_debt_with_an_end(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++)
		quota_rate_charge(quota, QUOTA_REFUSALS, key("a"), few);
	double wait = quota_rate_wait(quota, QUOTA_REFUSALS, key("a"), few);
	assert_true(wait > 3600 && wait <= 3600 + 1200);
	assert_false(quota_rate_take(quota, QUOTA_REFUSALS, key("a"), few));
}

static void
test_without_a_limit_an_allowance_has_no_end(void **state)
{
	(void)state;
	const struct quota_allowance none = {.n = 0, .seconds = 1, .ahead = 1};

	for (int i = 0; i < 100000; i++) {
		assert_true(quota_rate_take(quota, QUOTA_REQUESTS, key("a"), none));
		quota_rate_charge(quota, QUOTA_REQUESTS, key("a"), none);
	}
	assert_true(quota_rate_wait(quota, QUOTA_REQUESTS, key("a"), none) == 0);
}

static void
test_snapshots_are_counted_by_the_day(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(quota_snapshot_take(quota, key("a"), 3, noon));
	assert_false(quota_snapshot_take(quota, key("a"), 3, noon));
	assert_false(quota_snapshot_take(quota, key("a"), 3, noon + day / 2 - 1));
	assert_true(quota_snapshot_take(quota, key("b"), 3, noon));
	assert_true(quota_snapshot_take(quota, key("a"), 4, noon));
	assert_true(quota_snapshot_take(quota, key("a"), 1, noon + day / 2));
	assert_false(quota_snapshot_take(quota, key("a"), 1, noon + day));
}

static void
test_a_snapshot_that_failed_is_given_back(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_true(quota_snapshot_take(quota, key("a"), 1, noon));
		quota_snapshot_return(quota, key("a"), 1, noon);
	}
	assert_true(quota_snapshot_take(quota, key("a"), 1, noon));
	assert_false(quota_snapshot_take(quota, key("a"), 1, noon));
}

static void
test_a_snapshot_of_yesterday_is_not_given_back_today(void **state)
{
	(void)state;
	assert_true(quota_snapshot_take(quota, key("a"), 1, noon));
	assert_true(quota_snapshot_take(quota, key("a"), 1, noon + day));
	quota_snapshot_return(quota, key("a"), 1, noon);
	assert_false(quota_snapshot_take(quota, key("a"), 1, noon + day));
}

static void
test_without_a_limit_any_number_of_snapshots_is_taken(void **state)
{
	(void)state;
	for (int i = 0; i < 100000; i++)
		assert_true(quota_snapshot_take(quota, key("a"), 0, noon));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    QUOTA_TEST(test_an_allowance_is_taken_up_to_its_end),
	    QUOTA_TEST(test_an_allowance_refills),
	    QUOTA_TEST(test_what_is_charged_in_any_case_is_a_debt_with_an_end),
	    QUOTA_TEST(test_without_a_limit_an_allowance_has_no_end),
	    QUOTA_TEST(test_snapshots_are_counted_by_the_day),
	    QUOTA_TEST(test_a_snapshot_that_failed_is_given_back),
	    QUOTA_TEST(test_a_snapshot_of_yesterday_is_not_given_back_today),
	    QUOTA_TEST(test_without_a_limit_any_number_of_snapshots_is_taken),
	};
	return cmocka_run_group_tests_name("quota allowances", tests, NULL, NULL);
}
