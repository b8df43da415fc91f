/*
 * Parts of a whole: read, and counted without a number that is too large on the way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/common/share.h"

static uint64_t
of(const char *text, uint64_t whole)
{
	struct share share;

	assert_true(share_read(text, &share));
	return share_of(&share, whole);
}

static void
test_a_percentage_is_rounded_down_and_at_least_one(void **state)
{
	(void)state;
	assert_int_equal(of("10%", 0), 1);
	assert_int_equal(of("10%", 1), 1);
	assert_int_equal(of("10%", 19), 1);
	assert_int_equal(of("10%", 20), 2);
	assert_int_equal(of("99%", 199), 197);
	assert_int_equal(of("100%", 7), 7);
	assert_int_equal(of("0%", 1000), 0);
	assert_true(of("100%", UINT64_MAX) == UINT64_MAX);
	assert_true(of("50%", UINT64_MAX) == UINT64_MAX / 2);
}

static void
test_a_number_is_that_many_of_whatever(void **state)
{
	(void)state;
	assert_int_equal(of("0", 1000), 0);
	assert_int_equal(of("20", 3), 20);
	assert_int_equal(of("4294967295", 3), UINT32_MAX);
}

static void
test_what_is_neither_is_refused(void **state)
{
	static const char *const wrong[] = {"", "%", "-1", "+1", " 1", "1 ", "01", "0.5%", "101%",
	    "10%%", "10 %", "%10", "ten", "4294967296", "99999999999999999999999"};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct share share = {3, false};
		if (share_read(wrong[i], &share))
			fail_msg("\"%s\" is taken", wrong[i]);
		assert_int_equal(share.number, 3);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_percentage_is_rounded_down_and_at_least_one),
	    cmocka_unit_test(test_a_number_is_that_many_of_whatever),
	    cmocka_unit_test(test_what_is_neither_is_refused),
	};
	return cmocka_run_group_tests_name("share", tests, NULL, NULL);
}
