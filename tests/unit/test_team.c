/*
 * Teams: each item is done once, whoever does it, and a failure ends the work and is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/common/team.h"

enum { ITEMS = 20000, BAD = 300 };

static atomic_uint times[ITEMS];

static bool
do_one(void *arg, size_t item, struct failure *failure)
{
	const size_t *bad = arg;

	atomic_fetch_add(&times[item], 1);
	return item != *bad || failure_set(failure, FAILURE_LOCAL, "item %zu is bad", item);
}

static int
forget(void **state)
{
	(void)state;
	for (size_t i = 0; i < ITEMS; i++)
		atomic_store(&times[i], 0);
	return 0;
}

static void
test_each_item_is_done_once(void **state)
{
	size_t none = ITEMS;
	struct failure failure;

	(void)state;
	assert_true(team_do(ITEMS, do_one, &none, &failure));
	for (size_t i = 0; i < ITEMS; i++)
		assert_int_equal(atomic_load(&times[i]), 1);
}

static void
test_no_more_is_done_than_there_is(void **state)
{
	size_t none = ITEMS;
	struct failure failure;

	(void)state;
	assert_true(team_do(0, do_one, &none, &failure));
	assert_true(team_do(1, do_one, &none, &failure));
	assert_int_equal(atomic_load(&times[0]), 1);
	assert_int_equal(atomic_load(&times[1]), 0);
}

static void
test_a_failure_ends_the_work_and_is_told(void **state)
{
	size_t bad = BAD;
	struct failure failure;

	(void)state;
	assert_false(team_do(ITEMS, do_one, &bad, &failure));
	assert_int_equal(failure.kind, FAILURE_LOCAL);
	assert_string_equal(failure.text, "item 300 is bad");
	for (size_t i = 0; i < ITEMS; i++)
		assert_true(atomic_load(&times[i]) <= 1);
	assert_int_equal(atomic_load(&times[BAD]), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_each_item_is_done_once, forget),
	    cmocka_unit_test_setup(test_no_more_is_done_than_there_is, forget),
	    cmocka_unit_test_setup(test_a_failure_ends_the_work_and_is_told, forget),
	};
	return cmocka_run_group_tests_name("team", tests, NULL, NULL);
}
