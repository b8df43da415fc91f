/*
 * Versions: which there are, and their one order. The order holds for each pair of a list.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "catalogue/version.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void
test_versions_as_vendors_write_them_are_valid(void **state)
{
	(void)state;
	static const char *const good[] = {"0", "10.3.1", "10.4-rc1", "1.2.3+build7", "2026.03.01",
	    "2024a", "1.0~beta2", "1.2.3-alpha.1+exp.sha-5114f85", "20261128", "1000000000",
	    "1.2.3.4.5.6.7.8", "12.2.0-14+deb12u1", "1.1.1w", "1_2"};
	for (size_t i = 0; i < COUNT(good); i++) {
		if (!version_is_valid(good[i]))
			fail_msg("\"%s\" is no version", good[i]);
		assert_int_equal(version_compare(good[i], good[i]), 0);
	}
}

static void
test_what_is_no_folder_of_a_version_is_none(void **state)
{
	(void)state;
	static const char *const bad[] = {"", ".", "..", ".1", "1.", "1..2", "v1", "latest", "-1",
	    "1-", "1+", "1~", "1:2", "1/2", "1 2", "1\n", "1%", "1@a", "\xd9\xa1", "1\xc3\xa9",
	    "1,2"};
	char longest[66];

	for (size_t i = 0; i < COUNT(bad); i++) {
		if (version_is_valid(bad[i]))
			fail_msg("\"%s\" is a version", bad[i]);
	}
	memset(longest, '1', sizeof longest);
	longest[64] = '\0';
	assert_true(version_is_valid(longest));
	longest[64] = '1';
	longest[65] = '\0';
	assert_false(version_is_valid(longest));
}

static void
test_every_two_versions_have_one_order(void **state)
{
	(void)state;
	static const char *const ordered[] = {"0", "0.9.10", "1.0~beta2", "1.0~rc1", "1.0-1",
	    "1.0-2", "1.0-alpha", "1.0-alpha.1", "1.0-alpha.beta", "1.0-beta.2", "1.0-beta.11",
	    "1.0-rc.1", "1.0-rc2", "1.0-rc10", "1.0", "1.0+build7", "1.0+build10", "1.0a", "1.0b",
	    "1.0.1", "1.1", "1.1.1v", "1.1.1w", "2", "9.99", "10.3.1-rc1+b1", "10.3.1-rc1+b2",
	    "10.3.1", "10.4", "2024", "2024a", "2024b", "2025", "2026.02.28", "2026.03.01",
	    "20260301", "99999999999999999999999999", "100000000000000000000000000"};
	for (size_t i = 0; i < COUNT(ordered); i++) {
		for (size_t j = 0; j < COUNT(ordered); j++) {
			int expected = (i > j) - (i < j);
			if (version_compare(ordered[i], ordered[j]) != expected)
				fail_msg("%s against %s", ordered[i], ordered[j]);
		}
	}
}

static void
test_zeros_that_say_nothing_make_no_difference(void **state)
{
	(void)state;
	assert_int_equal(version_compare("1.0", "1"), 0);
	assert_int_equal(version_compare("2026.03.01", "2026.3.1"), 0);
	assert_int_equal(version_compare("1.0~rc1", "1~rc1"), 0);
	assert_int_equal(version_compare("1.0.0-rc1", "1-rc1"), 0);
	assert_int_equal(version_compare("1.0", "1.00"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_versions_as_vendors_write_them_are_valid),
	    cmocka_unit_test(test_what_is_no_folder_of_a_version_is_none),
	    cmocka_unit_test(test_every_two_versions_have_one_order),
	    cmocka_unit_test(test_zeros_that_say_nothing_make_no_difference),
	};
	return cmocka_run_group_tests_name("version", tests, NULL, NULL);
}
