/*
 * Who has to have certified a subject, and the names of verdicts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/policy_listing.h"
#include "policy_fixture.h"

static void
test_a_subject_with_an_issuer_counts_only_when_that_certified_it(void **state)
{
	(void)state;
	static const char *const others[] = {"", "CN=B CA", "CN=A C", "CN=A CA2", "cn=A CA"};
	struct policy *bound = opened("serial: 1\nissuer: CN=Our CA\n"
	                              "customers:\n"
	                              "  - {id: a, subjects: [CN=a], issuer: CN=A CA}\n"
	                              "  - {id: b, subjects: [CN=b]}\n"
	                              "probes: [CN=lb]\nobservers: [CN=ops]\n"
	                              "assert:\n"
	                              "  - {subject: CN=a, issuer: CN=B CA, snapshot: x, expect: "
	                              "unknown-subject}\n"
	                              "  - {subject: CN=a, snapshot: x, expect: allow}\n");
	char first[POLICY_LISTING_HOLDER_MAX];

	assert_int_equal(
	    policy_find_certified(bound, "CN=a", "CN=A CA").role, POLICY_ROLE_CUSTOMER);
	assert_int_equal(policy_find_caller(bound, "CN=a").role, POLICY_ROLE_CUSTOMER);
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		assert_int_equal(
		    policy_find_certified(bound, "CN=a", others[i]).role, POLICY_ROLE_NONE);
		assert_int_equal(
		    policy_find_certified(bound, "CN=ops", others[i]).role, POLICY_ROLE_NONE);
	}
	assert_int_equal(
	    policy_find_certified(bound, "CN=b", "CN=Our CA").role, POLICY_ROLE_CUSTOMER);
	assert_int_equal(
	    policy_find_certified(bound, "CN=lb", "CN=Our CA").role, POLICY_ROLE_PROBE);
	assert_string_equal(policy_issuer(bound, "CN=ops"), "CN=Our CA");
	assert_string_equal(policy_issuer(bound, "CN=nobody"), "");
	assert_int_equal(policy_listing_without_issuer(bound, first), 0);
	policy_free(bound);
}

static void
test_every_verdict_has_a_name_that_parses_back(void **state)
{
	(void)state;
	for (int i = POLICY_ALLOW; i <= POLICY_NOT_PERMITTED; i++) {
		enum policy_verdict verdict;
		assert_true(
		    policy_verdict_parse(policy_verdict_name((enum policy_verdict)i), &verdict));
		assert_int_equal(verdict, i);
	}
	enum policy_verdict verdict;
	assert_false(policy_verdict_parse("Allow", &verdict));
	assert_false(policy_verdict_parse("", &verdict));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_subject_with_an_issuer_counts_only_when_that_certified_it),
	    cmocka_unit_test(test_every_verdict_has_a_name_that_parses_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
