/*
 * When a worker that ended is started again, and how often that is said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/process/crash_record.h"

static void
assert_pause(double seen, double wanted)
{
	assert_true(seen > wanted - 1e-9 && seen < wanted + 1e-9);
}

static void
test_the_first_end_costs_no_pause_and_each_that_follows_twice_as_much(void **state)
{
	static const double wanted[] = {0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5};
	struct crash_record record = {0};

	(void)state;
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
		assert_pause(crash_record_add(&record, (double)i, 1), wanted[i]);
}

static void
test_the_pause_stays_bounded_however_often_it_ends(void **state)
{
	struct crash_record record = {0};

	(void)state;
	for (unsigned i = 0; i < 100000; i++)
		assert_true(crash_record_add(&record, i, 0) <= CRASH_RECORD_PAUSE_MAX);
}

static void
test_a_steady_life_makes_a_new_beginning(void **state)
{
	struct crash_record record = {0};

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		(void)crash_record_add(&record, i, 1);
	assert_true(crash_record_is_loop(&record));
	assert_pause(crash_record_add(&record, 100, CRASH_RECORD_STEADY), 0);
	assert_false(crash_record_is_loop(&record));
	assert_int_equal(crash_record_say(&record, 100), 1);
}

static void
test_three_ends_are_said_each_and_then_one_line_a_minute_counts(void **state)
{
	struct crash_record record = {0};

	(void)state;
	for (unsigned i = 0; i < CRASH_RECORD_SAID; i++) {
		(void)crash_record_add(&record, 1000 + i, 1);
		assert_int_equal(crash_record_say(&record, 1000 + i), 1);
	}
	for (unsigned i = 0; i < 11; i++) {
		(void)crash_record_add(&record, 1003 + 5. * i, 1);
		assert_int_equal(crash_record_say(&record, 1003 + 5. * i), 0);
	}
	(void)crash_record_add(&record, 1062, 1);
	assert_int_equal(crash_record_say(&record, 1062), 12);
	(void)crash_record_add(&record, 1067, 1);
	assert_int_equal(crash_record_say(&record, 1067), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_first_end_costs_no_pause_and_each_that_follows_twice_as_much),
	    cmocka_unit_test(test_the_pause_stays_bounded_however_often_it_ends),
	    cmocka_unit_test(test_a_steady_life_makes_a_new_beginning),
	    cmocka_unit_test(test_three_ends_are_said_each_and_then_one_line_a_minute_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
