/*
 * Policy decisions: who is who, what a licence covers, and when.
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

#define ACME "CN=acme-prod,O=Acme Corp,C=DK"
#define GLOBEX "CN=globex,O=Globex,C=DK"
#define PROBE "CN=lb-probe,O=Mirror Operations,C=DK"
#define OBSERVER "CN=ops,O=Mirror Operations,C=DK"

static const char policy_text[] =
    "serial: 12\n"
    "products:\n"
    "  - id: core\n"
    "    paths: [/artifacts/core/, /artifacts/prodA, /keys.asc]\n"
    "    except: [/artifacts/core/internal/, /artifacts/core/secret.bin]\n"
    "  - {id: internal, paths: [/artifacts/core/internal/]}\n"
    "  - {id: shared, paths: [/artifacts/core/, /artifacts/shared/a/b/c/]}\n"
    "  - {id: tools, paths: [/tools/]}\n"
    "customers:\n"
    "  - id: acme\n"
    "    subjects: [\"" ACME "\", \"CN=acme-test,O=Acme Corp,C=DK\"]\n"
    "    products:\n"
    "      - {id: core, from: 2026-01-01, until: 2026-12-31}\n"
    "      - {id: tools, from: 2027-01-01}\n"
    "      - {id: tools, until: 2025-12-31}\n"
    "    rate: 50M\n"
    "    connections: 64\n"
    "    snapshots_per_day: 48\n"
    "    requests_per_second: 200\n"
    "  - id: globex\n"
    "    subjects: [\"" GLOBEX "\"]\n"
    "    products: [{id: internal}, {id: shared, until: 2026-03-31}]\n"
    "  - {id: idle, subjects: [\"CN=idle\"]}\n"
    "probes: [\"" PROBE "\"]\n"
    "observers: [\"" OBSERVER "\"]\n";

static struct policy *policy;

static int
open_policy(void **state)
{
	(void)state;
	policy = opened(policy_text);
	return 0;
}

static int
close_policy(void **state)
{
	(void)state;
	policy_free(policy);
	return 0;
}

static struct policy_decision
download(const char *subject, const char *path, const char *when)
{
	struct policy_caller caller = policy_find_caller(policy, subject);
	return policy_decide_download(policy, &caller, path, strlen(path), at(when));
}

static void
assert_download(const char *subject, const char *path, const char *when, const char *expected)
{
	struct policy_decision decision = download(subject, path, when);
	if (strcmp(policy_verdict_name(decision.verdict), expected) != 0)
		fail_msg("%s on %s gives %s, not %s", path, when,
		    policy_verdict_name(decision.verdict), expected);
}

/* At a time at which acme's licence for core is valid. */
static void
assert_acme(const char *path, const char *expected)
{
	assert_download(ACME, path, "2026-06-01", expected);
}

static const char *
snapshot(const char *subject, const char *name)
{
	struct policy_caller caller = policy_find_caller(policy, subject);
	return policy_verdict_name(
	    policy_decide_snapshot(policy, &caller, name, strlen(name)).verdict);
}

static void
test_without_an_issuer_any_ca_may_certify(void **state)
{
	(void)state;
	char first[POLICY_LISTING_HOLDER_MAX];
	assert_int_equal(policy_find_certified(policy, ACME, "CN=x").role, POLICY_ROLE_CUSTOMER);
	assert_int_equal(policy_find_certified(policy, ACME, "").role, POLICY_ROLE_CUSTOMER);
	assert_true(policy_listing_without_issuer(policy, first) >= 2);
	assert_string_equal(first, "customer acme");
}

static void
test_the_image_knows_its_serial_and_customers(void **state)
{
	(void)state;
	assert_int_equal(policy_serial(policy), 12);
	assert_int_equal(policy_customer_count(policy), 3);
}

static void
test_a_customer_is_found_with_its_limits(void **state)
{
	(void)state;
	struct policy_caller caller = policy_find_caller(policy, ACME);
	assert_int_equal(caller.role, POLICY_ROLE_CUSTOMER);
	assert_string_equal(caller.customer, "acme");
	assert_int_equal(caller.rate, 50 * 1024 * 1024);
	assert_int_equal(caller.connections, 64);
	assert_int_equal(caller.snapshots_per_day, 48);
	assert_int_equal(caller.requests_per_second, 200);
	caller = policy_find_caller(policy, "CN=acme-test,O=Acme Corp,C=DK");
	assert_string_equal(caller.customer, "acme");
	caller = policy_find_caller(policy, GLOBEX);
	assert_string_equal(caller.customer, "globex");
	assert_int_equal(caller.rate, 0);
	assert_int_equal(caller.connections, 0);
	assert_int_equal(caller.snapshots_per_day, POLICY_SNAPSHOTS_PER_DAY);
	assert_int_equal(caller.requests_per_second, 0);
}

static void
test_probes_and_observers_have_their_roles(void **state)
{
	(void)state;
	struct policy_caller caller = policy_find_caller(policy, PROBE);
	assert_int_equal(caller.role, POLICY_ROLE_PROBE);
	assert_string_equal(caller.customer, "");
	assert_int_equal(policy_find_caller(policy, OBSERVER).role, POLICY_ROLE_OBSERVER);
}

static void
test_look_alike_subjects_are_unknown(void **state)
{
	(void)state;
	static const char *const subjects[] = {"", "CN=acme-prod", "CN=acme-prod,O=Acme Corp",
	    "CN=acme-prod,O=Acme Corp,C=DK,DC=x", "cn=acme-prod,O=Acme Corp,C=DK",
	    "CN=Acme-prod,O=Acme Corp,C=DK", "CN=acme-prod, O=Acme Corp, C=DK",
	    "C=DK,O=Acme Corp,CN=acme-prod", "CN=acme-prod,O=Acme  Corp,C=DK",
	    "CN=acme-prod\\,O=Acme Corp,C=DK", "acme", "core", "mirrorgate-policy"};
	for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
		struct policy_caller caller = policy_find_caller(policy, subjects[i]);
		assert_int_equal(caller.role, POLICY_ROLE_NONE);
		assert_string_equal(caller.customer, "");
		assert_download(subjects[i], "/keys.asc", "2026-06-01", "unknown-subject");
		assert_string_equal(snapshot(subjects[i], "prod-1"), "unknown-subject");
	}
	char longer[8192];
	memset(longer, 'a', sizeof longer);
	longer[sizeof longer - 1] = '\0';
	assert_int_equal(policy_find_caller(policy, longer).role, POLICY_ROLE_NONE);
}

static void
test_a_licence_covers_the_paths_of_its_product(void **state)
{
	(void)state;
	assert_acme("/artifacts/core/10.3/core.zip", "allow");
	assert_acme("/artifacts/core/x", "allow");
	assert_acme("/artifacts/core/", "allow");
	assert_acme("/artifacts/prodA", "allow");
	assert_acme("/keys.asc", "allow");
	assert_string_equal(download(ACME, "/keys.asc", "2026-06-01").product, "core");
}

static void
test_a_licence_covers_nothing_else(void **state)
{
	(void)state;
	assert_acme("/", "not-licensed");
	assert_acme("/artifacts/", "not-licensed");
	assert_acme("/artifacts/core", "not-licensed");
	assert_acme("/artifacts/core2/x", "not-licensed");
	assert_acme("/artifacts/Core/x", "not-licensed");
	assert_acme("/artifacts/prodAB", "not-licensed");
	assert_acme("/artifacts/prodA/", "not-licensed");
	assert_acme("/artifacts/prodA/x", "not-licensed");
	assert_acme("/artifacts/prod", "not-licensed");
	assert_acme("/keys.asc/", "not-licensed");
	assert_acme("/x/artifacts/core/x", "not-licensed");
	assert_acme("/artifacts/shared/a/b/c/d", "not-licensed");
	assert_string_equal(download(ACME, "/", "2026-06-01").product, "");
	assert_download("CN=idle", "/keys.asc", "2026-06-01", "not-licensed");
}

static void
test_exceptions_are_not_covered(void **state)
{
	(void)state;
	assert_acme("/artifacts/core/internal/x", "not-licensed");
	assert_acme("/artifacts/core/internal/", "not-licensed");
	assert_acme("/artifacts/core/secret.bin", "not-licensed");
	assert_acme("/artifacts/core/internal", "allow");
	assert_acme("/artifacts/core/internal2/x", "allow");
	assert_acme("/artifacts/core/secret.bin2", "allow");
}

static void
test_an_exception_of_one_product_does_not_bind_another(void **state)
{
	(void)state;
	assert_download(GLOBEX, "/artifacts/core/internal/x", "2026-06-01", "allow");
	assert_string_equal(
	    download(GLOBEX, "/artifacts/core/internal/x", "2026-06-01").product, "internal");
	assert_download(GLOBEX, "/artifacts/core/x", "2026-03-31", "allow");
	assert_string_equal(download(GLOBEX, "/artifacts/core/x", "2026-03-31").product, "shared");
}

static void
test_reserved_and_malformed_paths_are_never_allowed(void **state)
{
	(void)state;
	assert_acme("/snapshots/acme/prod-1/x.json", "not-permitted");
	assert_acme("/licence", "not-permitted");
	assert_acme("/metrics", "not-permitted");
	assert_acme("", "not-licensed");
	assert_acme("/artifacts/core/../core/x", "not-licensed");
	assert_acme("/artifacts/core//x", "not-licensed");
	assert_acme("/artifacts/core/%78", "not-licensed");
	assert_acme("/artifacts/core/x?y", "not-licensed");
}

static void
test_probes_and_observers_download_and_upload_nothing(void **state)
{
	(void)state;
	assert_download(PROBE, "/keys.asc", "2026-06-01", "not-permitted");
	assert_download(OBSERVER, "/keys.asc", "2026-06-01", "not-permitted");
	assert_string_equal(snapshot(PROBE, "prod-1"), "not-permitted");
	assert_string_equal(snapshot(OBSERVER, "prod-1"), "not-permitted");
}

static void
test_customers_file_snapshots_under_valid_names(void **state)
{
	(void)state;
	assert_string_equal(snapshot(ACME, "prod-1"), "allow");
	assert_string_equal(snapshot("CN=idle", "prod-1"), "allow");
	assert_string_equal(snapshot(ACME, ""), "not-permitted");
	assert_string_equal(snapshot(ACME, "../globex"), "not-permitted");
	assert_string_equal(snapshot(ACME, "-x"), "not-permitted");
}

static void
test_a_licence_lasts_from_its_first_to_its_last_second(void **state)
{
	(void)state;
	assert_download(ACME, "/keys.asc", "2025-12-31T23:59:59Z", "licence-not-started");
	assert_download(ACME, "/keys.asc", "2026-01-01T00:00:00Z", "allow");
	assert_download(ACME, "/keys.asc", "2026-12-31T23:59:59Z", "allow");
	assert_download(ACME, "/keys.asc", "2027-01-01T00:00:00Z", "licence-expired");
}

static void
test_a_decision_says_when_it_ends(void **state)
{
	(void)state;
	struct policy_decision decision = download(ACME, "/keys.asc", "2026-06-01");
	assert_int_equal(decision.ends, at("2027-01-01"));
	decision = download(GLOBEX, "/artifacts/core/internal/x", "2026-03-01");
	assert_int_equal(decision.ends, 0);
	decision = download(ACME, "/keys.asc", "2027-06-01");
	assert_int_equal(decision.ends, 0);
	assert_string_equal(decision.product, "core");
}

static void
test_of_two_licences_for_a_product_a_valid_one_decides(void **state)
{
	(void)state;
	assert_download(ACME, "/tools/x", "2025-12-31", "allow");
	assert_download(ACME, "/tools/x", "2026-06-01", "licence-expired");
	assert_download(ACME, "/tools/x", "2027-01-01", "allow");
	assert_int_equal(download(ACME, "/tools/x", "2025-12-31").ends, at("2026-01-01"));
	assert_int_equal(download(ACME, "/tools/x", "2027-01-01").ends, 0);
}

static void
test_a_decision_names_its_licence_and_its_rule(void **state)
{
	(void)state;
	struct policy_decision core = download(ACME, "/artifacts/core/10.3/x", "2026-06-01");
	assert_int_equal(core.licence, 0);
	assert_int_equal(core.rule_len, strlen("/artifacts/core/"));
	assert_int_equal(download(ACME, "/keys.asc", "2026-06-01").rule_len, strlen("/keys.asc"));
	assert_int_equal(download(ACME, "/tools/x", "2025-12-31").licence, 2);
	assert_int_equal(download(ACME, "/tools/x", "2027-01-01").licence, 1);
}

static void
test_of_two_valid_licences_the_longer_one_decides(void **state)
{
	(void)state;
	static const char text[] = "serial: 1\n"
	                           "products:\n"
	                           "  - {id: a, paths: [/x/]}\n"
	                           "  - {id: b, paths: [/x/y/]}\n"
	                           "  - {id: c, paths: [/x/y/z]}\n"
	                           "customers:\n"
	                           "  - id: one\n"
	                           "    subjects: [CN=one]\n"
	                           "    products:\n"
	                           "      - {id: a, until: 2026-02-01}\n"
	                           "      - {id: b, until: 2026-03-01}\n"
	                           "      - {id: c, until: 2026-01-01}\n"
	                           "  - id: two\n"
	                           "    subjects: [CN=two]\n"
	                           "    products: [{id: a}, {id: b, until: 2026-03-01}]\n";
	struct policy *other = opened(text);
	struct policy_caller caller = policy_find_caller(other, "CN=one");
	struct policy_decision decision =
	    policy_decide_download(other, &caller, "/x/y/z", 6, at("2026-01-01"));
	assert_string_equal(decision.product, "b");
	assert_int_equal(decision.ends, at("2026-03-02"));
	decision = policy_decide_download(other, &caller, "/x/y/z", 6, at("2027-01-01"));
	assert_int_equal(decision.verdict, POLICY_LICENCE_EXPIRED);
	assert_string_equal(decision.product, "b");
	caller = policy_find_caller(other, "CN=two");
	decision = policy_decide_download(other, &caller, "/x/y/z", 6, at("2026-01-01"));
	assert_string_equal(decision.product, "a");
	assert_int_equal(decision.ends, 0);
	policy_free(other);
}

/* What policy_each_licence() showed, a line each. */
struct shown {
	char text[1024];
};

static void append(struct shown *shown, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
append(struct shown *shown, const char *format, ...)
{
	size_t used = strlen(shown->text);
	va_list args;
	va_start(args, format);
	vsnprintf(shown->text + used, sizeof shown->text - used, format, args);
	va_end(args);
}

static void
show(const struct policy_licence *licence, void *arg)
{
	struct shown *shown = arg;
	append(shown, "%s", licence->product);
	for (size_t i = 0; licence->paths[i] != NULL; i++)
		append(shown, " %s", licence->paths[i]);
	append(shown, " except");
	for (size_t i = 0; licence->except[i] != NULL; i++)
		append(shown, " %s", licence->except[i]);
	append(shown, " from=%s until=%s%s\n", licence->from, licence->until,
	    licence->valid_now ? " valid" : "");
}

static void
test_licences_are_shown_in_the_policys_order(void **state)
{
	(void)state;
	struct shown shown = {""};
	struct policy_caller caller = policy_find_caller(policy, ACME);
	size_t count = policy_each_licence(policy, &caller, at("2026-06-01"), show, &shown);
	assert_int_equal(count, 3);
	assert_string_equal(shown.text,
	    "core /artifacts/core/ /artifacts/prodA /keys.asc except /artifacts/core/internal/ "
	    "/artifacts/core/secret.bin from=2026-01-01 until=2026-12-31 valid\n"
	    "tools /tools/ except from=2027-01-01 until=\n"
	    "tools /tools/ except from= until=2025-12-31\n");
}

static void
test_who_has_no_licences_is_shown_none(void **state)
{
	(void)state;
	static const char *const subjects[] = {"CN=idle", "CN=nobody", PROBE};
	for (size_t i = 0; i < 3; i++) {
		struct policy_caller caller = policy_find_caller(policy, subjects[i]);
		assert_int_equal(policy_each_licence(policy, &caller, 0, show, NULL), 0);
	}
}

static void
test_a_caller_of_an_older_policy_gets_nothing_from_one_that_lacks_it(void **state)
{
	(void)state;
	struct policy_caller caller = policy_find_caller(policy, ACME);
	struct policy *newer = opened("serial: 13\nproducts: [{id: core, paths: [/keys.asc]}]\n");
	assert_int_equal(
	    policy_decide_download(newer, &caller, "/keys.asc", 9, at("2026-06-01")).verdict,
	    POLICY_NOT_LICENSED);
	policy_free(newer);
}

/* The oracle: a plain search through the same rules. */
static bool
any_rule_covers(const char *path)
{
	static const char *const rules[] = {"/artifacts/core/", "/artifacts/prodA", "/keys.asc"};
	static const char *const excepted[] = {
	    "/artifacts/core/internal/", "/artifacts/core/secret.bin"};
	bool covered = false;
	for (size_t i = 0; i < 3; i++) {
		size_t len = strlen(rules[i]);
		if (rules[i][len - 1] == '/' ? strncmp(path, rules[i], len) == 0
		                             : strcmp(path, rules[i]) == 0)
			covered = true;
	}
	for (size_t i = 0; i < 2; i++) {
		size_t len = strlen(excepted[i]);
		if (excepted[i][len - 1] == '/' ? strncmp(path, excepted[i], len) == 0
		                                : strcmp(path, excepted[i]) == 0)
			covered = false;
	}
	return covered;
}

static void
test_lookups_agree_with_a_plain_search_on_random_paths(void **state)
{
	(void)state;
	static const char *const segments[] = {
	    "artifacts", "core", "internal", "secret.bin", "prodA", "keys.asc", "x"};
	uint64_t random = 20260103;
	size_t allowed = 0;
	print_message("seed %llu\n", (unsigned long long)random);
	for (size_t round = 0; round < 50000; round++) {
		char path[128] = "";
		random = random * UINT64_C(6364136223846793005) + 1;
		uint64_t bits = random >> 20;
		size_t used = 0;
		for (size_t left = 1 + bits % 4; left > 0; left--) {
			bits /= 7;
			used += (size_t)snprintf(
			    path + used, sizeof path - used, "/%s", segments[bits % 7]);
		}
		if (random >> 63)
			snprintf(path + used, sizeof path - used, "/");
		bool expected = any_rule_covers(path);
		allowed += expected;
		assert_acme(path, expected ? "allow" : "not-licensed");
	}
	assert_true(allowed > 500);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_without_an_issuer_any_ca_may_certify),
	    cmocka_unit_test(test_the_image_knows_its_serial_and_customers),
	    cmocka_unit_test(test_a_customer_is_found_with_its_limits),
	    cmocka_unit_test(test_probes_and_observers_have_their_roles),
	    cmocka_unit_test(test_look_alike_subjects_are_unknown),
	    cmocka_unit_test(test_a_licence_covers_the_paths_of_its_product),
	    cmocka_unit_test(test_a_licence_covers_nothing_else),
	    cmocka_unit_test(test_exceptions_are_not_covered),
	    cmocka_unit_test(test_an_exception_of_one_product_does_not_bind_another),
	    cmocka_unit_test(test_reserved_and_malformed_paths_are_never_allowed),
	    cmocka_unit_test(test_probes_and_observers_download_and_upload_nothing),
	    cmocka_unit_test(test_customers_file_snapshots_under_valid_names),
	    cmocka_unit_test(test_a_licence_lasts_from_its_first_to_its_last_second),
	    cmocka_unit_test(test_a_decision_says_when_it_ends),
	    cmocka_unit_test(test_of_two_licences_for_a_product_a_valid_one_decides),
	    cmocka_unit_test(test_a_decision_names_its_licence_and_its_rule),
	    cmocka_unit_test(test_of_two_valid_licences_the_longer_one_decides),
	    cmocka_unit_test(test_licences_are_shown_in_the_policys_order),
	    cmocka_unit_test(test_who_has_no_licences_is_shown_none),
	    cmocka_unit_test(test_a_caller_of_an_older_policy_gets_nothing_from_one_that_lacks_it),
	    cmocka_unit_test(test_lookups_agree_with_a_plain_search_on_random_paths),
	};
	return cmocka_run_group_tests_name("policy", tests, open_policy, close_policy);
}
