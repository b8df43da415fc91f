/*
 * The order of versions in snapshots: with epochs, and of what no catalogue would name so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/report/version_order.h"

/* Ascending. */
static const char *const ascending[] = {"abc", "v1.2", "v1.10", "1.0~rc1", "1.0-rc2", "1.0-rc10",
    "1.0", "1.0+b1", "1.0a", "1.1", "1.10", "2026.03.01", "1:0.9", "1:1.0-1", "2:0",
    "18446744073709551616:0"};

static void
test_versions_are_in_order(void **state)
{
	size_t count = sizeof ascending / sizeof ascending[0];

	(void)state;
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < count; j++) {
			int order = version_order_compare(ascending[i], ascending[j]);
			if ((order > 0) - (order < 0) != (i > j) - (i < j))
				fail_msg("%s and %s: %d", ascending[i], ascending[j], order);
		}
	}
}

static void
test_spellings_of_one_version_are_equal(void **state)
{
	(void)state;
	assert_int_equal(version_order_compare("1.0", "1"), 0);
	assert_int_equal(version_order_compare("0:1.0", "1.0.0"), 0);
	assert_int_equal(version_order_compare("01:7", "1:7.0"), 0);
}

static void
test_a_colon_elsewhere_is_no_epoch(void **state)
{
	(void)state;
	assert_true(version_order_compare("a:1", "1:0") < 0);
	assert_true(version_order_compare("1.0:9", "1:0") < 0);
	assert_int_equal(version_order_compare("1:", "1:0"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_versions_are_in_order),
	    cmocka_unit_test(test_spellings_of_one_version_are_equal),
	    cmocka_unit_test(test_a_colon_elsewhere_is_no_epoch),
	};
	return cmocka_run_group_tests_name("version_order", tests, NULL, NULL);
}
