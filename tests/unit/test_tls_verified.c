/* Whom the rules have let in, until when, and how many of them are remembered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "certificates.h"
#include "gateway/tls/tls_verified.h"

enum { MAX = 3, NOW = 1000, UNTIL = 2000 };

static struct tls_verified *verified;
static X509 *leaves[MAX + 1];

static int
begin(void **state)
{
	(void)state;
	verified = tls_verified_new(MAX);
	for (int i = 0; i <= MAX; i++)
		leaves[i] = certificates_make(&(struct certificate_spec){0});
	return 0;
}

static int
end(void **state)
{
	(void)state;
	tls_verified_free(verified);
	for (int i = 0; i <= MAX; i++)
		X509_free(leaves[i]);
	return 0;
}

static void
add(int leaf, time_t now, time_t until)
{
	struct identity identity = {.issuer = "CN=CA"};

	(void)snprintf(identity.subject, sizeof identity.subject, "CN=client %d", leaf);
	(void)snprintf(identity.serial, sizeof identity.serial, "0%d", leaf);
	tls_verified_add(verified, leaves[leaf], &identity, now, until);
}

static bool
has(int leaf, time_t now)
{
	struct identity identity;

	return tls_verified_find(verified, leaves[leaf], now, &identity);
}

static void
test_who_was_good_is_found_as_who_it_is(void **state)
{
	(void)state;
	struct identity identity;

	add(0, NOW, UNTIL);
	add(1, NOW, UNTIL);
	assert_true(tls_verified_find(verified, leaves[1], NOW, &identity));
	assert_string_equal(identity.subject, "CN=client 1");
	assert_string_equal(identity.serial, "01");
	assert_string_equal(identity.issuer, "CN=CA");
	assert_false(has(2, NOW));
}

static void
test_it_is_good_until_its_end_and_not_before_it_was_seen(void **state)
{
	(void)state;
	add(0, NOW, UNTIL);
	assert_true(has(0, UNTIL - 1));
	assert_false(has(0, UNTIL));
	assert_false(has(0, UNTIL - 1)); /* gone */
	add(0, NOW, UNTIL);
	assert_false(has(0, NOW - 1));
	assert_int_equal(tls_verified_count(verified), 0);
	add(0, NOW, NOW);
	assert_int_equal(tls_verified_count(verified), 0);
}

static void
test_a_later_answer_takes_the_place_of_an_earlier_one(void **state)
{
	(void)state;
	add(0, NOW, UNTIL);
	add(0, NOW, UNTIL - 10);
	assert_int_equal(tls_verified_count(verified), 1);
	assert_false(has(0, UNTIL - 10));
}

static void
test_who_came_longest_ago_goes_first(void **state)
{
	(void)state;
	for (int i = 0; i < MAX; i++)
		add(i, NOW, UNTIL);
	assert_true(has(0, NOW));
	add(MAX, NOW, UNTIL);
	assert_int_equal(tls_verified_count(verified), MAX);
	assert_false(has(1, NOW));
	assert_true(has(0, NOW) && has(2, NOW) && has(MAX, NOW));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_who_was_good_is_found_as_who_it_is, begin, end),
	    cmocka_unit_test_setup_teardown(
	        test_it_is_good_until_its_end_and_not_before_it_was_seen, begin, end),
	    cmocka_unit_test_setup_teardown(
	        test_a_later_answer_takes_the_place_of_an_earlier_one, begin, end),
	    cmocka_unit_test_setup_teardown(test_who_came_longest_ago_goes_first, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
