/*
 * Who goes first on a full node: the rule alone, and the fair share that it goes by.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/client_side/room_rank.h"
#include "gateway/node/quota.h"

static bool
may_go(struct room_candidate one, struct room_rule rule)
{
	return room_rank_may_go(&one, &rule);
}

static bool
before(struct room_candidate one, struct room_candidate other)
{
	return room_rank_before(&one, &other) && !room_rank_before(&other, &one);
}

static void
test_who_has_less_than_the_fair_share_keeps_it(void **state)
{
	struct room_candidate one = {ROOM_RESTING, .is_known = true, .has = 4};

	(void)state;
	assert_false(may_go(one, (struct room_rule){.fair = 4.5, .at_least = 2}));
	assert_true(may_go(one, (struct room_rule){.fair = 4, .at_least = 2}));
	one.kind = ROOM_FRESH;
	assert_false(may_go(one, (struct room_rule){.fair = 4.5, .at_least = 2}));
}

static void
test_nobody_goes_for_who_has_more(void **state)
{
	struct room_rule rule = {.fair = 1, .at_least = 5};

	(void)state;
	assert_false(may_go((struct room_candidate){ROOM_RESTING, true, .has = 4}, rule));
	assert_false(may_go((struct room_candidate){ROOM_FRESH, false, .has = 4}, rule));
	assert_true(may_go((struct room_candidate){ROOM_RESTING, true, .has = 5}, rule));
}

static void
test_an_address_has_no_fair_share(void **state)
{
	struct room_rule rule = {.fair = 10, .at_least = 2};

	(void)state;
	assert_true(may_go((struct room_candidate){ROOM_FRESH, false, .has = 2}, rule));
}

static void
test_what_has_just_begun_goes_for_a_stranger_or_who_has_little(void **state)
{
	struct room_candidate one = {ROOM_FRESH, .is_known = false, .has = 20};

	(void)state;
	assert_true(may_go(one, (struct room_rule){.newcomer = ROOM_FOR_STRANGER}));
	assert_true(may_go(one, (struct room_rule){.newcomer = ROOM_FOR_FEW}));
	assert_false(may_go(one, (struct room_rule){.newcomer = ROOM_FOR_MANY}));
	assert_false(may_go(one, (struct room_rule){.newcomer = ROOM_FOR_RESERVE}));
}

static void
test_a_running_request_goes_only_for_who_has_little_and_from_who_has_far_more(void **state)
{
	struct room_candidate one = {ROOM_BUSY, .is_known = true, .has = 20};
	struct room_rule rule = {.fair = 20, .at_least = 4, .newcomer = ROOM_FOR_FEW};

	(void)state;
	assert_true(may_go(one, rule));
	rule.newcomer = ROOM_FOR_RESERVE;
	assert_true(may_go(one, rule));
	rule.newcomer = ROOM_FOR_MANY;
	assert_false(may_go(one, rule));
	rule.newcomer = ROOM_FOR_STRANGER;
	assert_false(may_go(one, rule));
	assert_false(
	    may_go(one, (struct room_rule){.fair = 20.1, .at_least = 4, .newcomer = ROOM_FOR_FEW}));
	assert_false(
	    may_go(one, (struct room_rule){.fair = 20, .at_least = 5, .newcomer = ROOM_FOR_FEW}));
}

static void
test_what_leaves_always_may_go_and_what_stays_never(void **state)
{
	struct room_rule rule = {.fair = 100, .at_least = 100};

	(void)state;
	assert_true(may_go((struct room_candidate){ROOM_LEAVING, true, .has = 1}, rule));
	rule = (struct room_rule){.newcomer = ROOM_FOR_FEW};
	assert_false(may_go((struct room_candidate){ROOM_STAYS, false, .has = 100}, rule));
}

static void
test_the_order_is_leaving_resting_fresh_busy(void **state)
{
	(void)state;
	for (enum room_kind kind = ROOM_BUSY; kind < ROOM_LEAVING; kind++)
		assert_true(before((struct room_candidate){kind + 1, true, 1, 5},
		    (struct room_candidate){kind, true, 9, 1}));
}

static void
test_whoever_has_most_goes_first_and_then_the_oldest(void **state)
{
	(void)state;
	assert_true(before((struct room_candidate){ROOM_RESTING, true, 9, 5},
	    (struct room_candidate){ROOM_RESTING, true, 8, 1}));
	assert_true(before((struct room_candidate){ROOM_FRESH, false, 8, 1},
	    (struct room_candidate){ROOM_FRESH, false, 8, 5}));
	assert_true(before((struct room_candidate){ROOM_LEAVING, true, 1, 1},
	    (struct room_candidate){ROOM_LEAVING, true, 9, 5}));
}

static bool
is_about(double a, double b)
{
	return a > 0.99 * b && a < 1.01 * b;
}

static void
test_the_fair_share_is_that_of_all_workers(void **state)
{
	struct quota *quota = quota_new(2);

	(void)state;
	assert_non_null(quota);
	assert_true(quota_share_fair(quota, 0) == 0);
	/* One holder has 9 here and 9 there, another 1 here, a third 1 there. */
	quota_share_set(quota, 0, 10, 9. / 18 + 1);
	quota_share_set(quota, 1, 10, 9. / 18 + 1);
	assert_true(is_about(quota_share_fair(quota, 20), 20. / 3));
	assert_true(is_about(quota_share_fair(quota, 40), 40. / 4)); /* 20 are nobody's */
	quota_forget_worker(quota, 1);
	assert_true(is_about(quota_share_fair(quota, 10), 10 / 1.5));
	quota_share_set(quota, 0, 1000000, 1000000);
	assert_true(is_about(quota_share_fair(quota, 1000000), 1));
	quota_free(quota);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_who_has_less_than_the_fair_share_keeps_it),
	    cmocka_unit_test(test_nobody_goes_for_who_has_more),
	    cmocka_unit_test(test_an_address_has_no_fair_share),
	    cmocka_unit_test(test_what_has_just_begun_goes_for_a_stranger_or_who_has_little),
	    cmocka_unit_test(
	        test_a_running_request_goes_only_for_who_has_little_and_from_who_has_far_more),
	    cmocka_unit_test(test_what_leaves_always_may_go_and_what_stays_never),
	    cmocka_unit_test(test_the_order_is_leaving_resting_fresh_busy),
	    cmocka_unit_test(test_whoever_has_most_goes_first_and_then_the_oldest),
	    cmocka_unit_test(test_the_fair_share_is_that_of_all_workers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
