/*
 * Whose turn it is: shares by cost, order, and what is remembered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/client_side/fair_queue.h"
#include "random.h"

enum { GREEDY = 1, SMALL = 2, MANY = 200 };

static struct fair_queue *queue;
static struct fair_entry entries[MANY];
static struct fair_entry small;

static int
set_up(void **state)
{
	(void)state;
	queue = fair_queue_new();
	for (size_t i = 0; i < MANY; i++)
		entries[i] = (struct fair_entry){0};
	small = (struct fair_entry){0};
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < MANY; i++)
		fair_queue_leave(queue, &entries[i]);
	fair_queue_leave(queue, &small);
	fair_queue_free(queue);
	return 0;
}

static void
all_wait(uint64_t key, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fair_queue_join(queue, &entries[i], key);
		fair_queue_wait(queue, &entries[i]);
	}
}

static struct fair_entry *
next(uint64_t cost)
{
	struct fair_entry *entry = fair_queue_next(queue);

	if (entry != NULL)
		fair_queue_charge(queue, cost);
	return entry;
}

static void
test_one_request_goes_before_a_hundred_of_another(void **state)
{
	(void)state;
	all_wait(GREEDY, 100);
	assert_ptr_equal(next(10), &entries[0]);
	fair_queue_join(queue, &small, SMALL);
	fair_queue_wait(queue, &small);
	assert_ptr_equal(next(1), &small);
	assert_ptr_equal(next(10), &entries[1]);
}

static void
test_entries_of_one_holder_go_in_order_and_once(void **state)
{
	(void)state;
	all_wait(GREEDY, 3);
	fair_queue_wait(queue, &entries[0]);
	for (size_t i = 0; i < 3; i++)
		assert_ptr_equal(next(1), &entries[i]);
	assert_null(next(1));
	assert_true(fair_queue_is_empty(queue));
}

static void
test_shares_are_equal_by_cost_not_by_number(void **state)
{
	uint64_t greedy = 0, other = 0;

	(void)state;
	all_wait(GREEDY, 50);
	fair_queue_join(queue, &small, SMALL);
	fair_queue_wait(queue, &small);
	for (int i = 0; i < 10000; i++) {
		struct fair_entry *entry = fair_queue_next(queue);
		uint64_t cost = entry == &small ? 3 : 10;
		*(entry == &small ? &other : &greedy) += cost;
		fair_queue_wait(queue, entry);
		fair_queue_charge(queue, cost);
	}
	assert_true(greedy < other + 20 && other < greedy + 20);
}

static void
test_who_was_away_has_no_claim(void **state)
{
	(void)state;
	fair_queue_join(queue, &small, SMALL);
	all_wait(GREEDY, 100);
	for (int i = 0; i < 50; i++)
		assert_ptr_not_equal(next(1000), &small);
	fair_queue_wait(queue, &small);
	assert_ptr_equal(next(2000), &small);
	fair_queue_wait(queue, &small);
	/* It has had its share, whatever it did not ask for before. */
	assert_ptr_equal(next(1000), &entries[50]);
}

static void
test_a_debt_is_not_forgotten_between_two_requests(void **state)
{
	(void)state;
	fair_queue_join(queue, &small, SMALL);
	all_wait(GREEDY, 1);
	assert_ptr_equal(next(1000), &entries[0]);
	assert_true(
	    fair_queue_is_empty(queue)); /* as when each request waits for the answer before */
	fair_queue_wait(queue, &entries[0]);
	for (int i = 0; i < 9; i++) {
		fair_queue_wait(queue, &small);
		assert_ptr_equal(next(100), &small);
	}
	assert_ptr_equal(next(1000), &entries[0]);
}

static void
test_what_leaves_gets_no_turn(void **state)
{
	(void)state;
	all_wait(GREEDY, 3);
	fair_queue_leave(queue, &entries[1]);
	assert_ptr_equal(next(1), &entries[0]);
	assert_ptr_equal(next(1), &entries[2]);
	assert_null(next(1));
}

static void
test_an_entry_may_leave_or_change_its_holder_in_its_turn(void **state)
{
	(void)state;
	all_wait(GREEDY, 2);
	struct fair_entry *entry = fair_queue_next(queue);
	fair_queue_leave(queue, entry);
	fair_queue_charge(queue, 5);
	entry = fair_queue_next(queue);
	fair_queue_join(queue, entry, SMALL);
	fair_queue_wait(queue, entry);
	fair_queue_charge(queue, 5);
	assert_ptr_equal(next(1), entry);
}

static void
test_one_that_waits_goes_on_waiting_with_its_new_holder(void **state)
{
	(void)state;
	all_wait(GREEDY, 2);
	fair_queue_join(queue, &entries[0], SMALL);
	assert_ptr_equal(next(10), &entries[1]);
	assert_ptr_equal(next(10), &entries[0]);
	assert_null(next(1));
}

/* Whatever is asked for and whatever it costs: of two that always wait, none is ever ahead by more
 * than the two dearest turns. */
static void
test_no_share_differs_by_more_than_two_turns(void **state)
{
	enum { HOLDERS = 20, COST_MAX = 100 };
	uint64_t had[HOLDERS] = {0};
	uint64_t random = 15;

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		fair_queue_join(queue, &entries[i], i % HOLDERS);
		fair_queue_wait(queue, &entries[i]);
	}
	for (int turn = 0; turn < 20000; turn++) {
		struct fair_entry *entry = fair_queue_next(queue);
		uint64_t cost = 1 + random_below(&random, COST_MAX);
		had[(size_t)(entry - entries) % HOLDERS] += cost;
		fair_queue_wait(queue, entry);
		fair_queue_charge(queue, cost);
		for (size_t i = 1; turn % 100 == 0 && i < HOLDERS; i++)
			assert_true(
			    had[i] <= had[0] + 2 * COST_MAX && had[0] <= had[i] + 2 * COST_MAX);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_one_request_goes_before_a_hundred_of_another),
	    TEST(test_entries_of_one_holder_go_in_order_and_once),
	    TEST(test_shares_are_equal_by_cost_not_by_number),
	    TEST(test_who_was_away_has_no_claim),
	    TEST(test_a_debt_is_not_forgotten_between_two_requests),
	    TEST(test_what_leaves_gets_no_turn),
	    TEST(test_an_entry_may_leave_or_change_its_holder_in_its_turn),
	    TEST(test_one_that_waits_goes_on_waiting_with_its_new_holder),
	    TEST(test_no_share_differs_by_more_than_two_turns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
