/*
 * The mistakes a policy can hold: each is reported with its line, all of them in one run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy_fixture.h"

/* The problems of TEXT, a line each; the caller frees them. */
static char *
problems_of(const char *text)
{
	struct problems *problems = problems_new();
	int fd = policy_compile_text("p", text, strlen(text), at("2026-06-01"), problems);
	assert_int_equal(fd<0, problems_count(problems)> 0);
	if (fd >= 0)
		close(fd);
	char *joined = NULL;
	size_t len;
	FILE *out = open_memstream(&joined, &len);
	problems_print(problems, out);
	fclose(out);
	problems_free(problems);
	return joined;
}

static void
assert_problems(const char *text, const char *expected)
{
	char *found = problems_of(text);
	assert_string_equal(found, expected);
	free(found);
}

static void
assert_good(const char *text)
{
	assert_problems(text, "");
}

/* A product and a customer with BODY as further keys of the customer, from line 7 on. */
#define CUSTOMER(body)                      \
	"serial: 1\n"                       \
	"products:\n"                       \
	"  - {id: core, paths: [/core/]}\n" \
	"customers:\n"                      \
	"  - id: acme\n"                    \
	"    subjects: [CN=acme]\n" body

#define PRODUCT(body) "serial: 1\nproducts:\n  - id: core\n" body

static void
test_all_mistakes_are_reported_in_one_run(void **state)
{
	(void)state;
	assert_problems("serial: -1\n"
	                "products:\n"
	                "  - id: Core\n"
	                "    paths: [/core//x, /snapshots/x, /]\n"
	                "    colour: red\n"
	                "  - {id: tools, paths: [/tools/], except: [/core/x]}\n"
	                "  - {id: tools}\n"
	                "customers:\n"
	                "  - id: acme\n"
	                "    subjects: [\"CN=a\", \"CN=b, O=x\"]\n"
	                "    products:\n"
	                "      - {id: nothing, from: 2026-02-30}\n"
	                "      - {from: 2026-02-02, until: 2026-02-01}\n"
	                "    rate: 5X\n"
	                "    connections: 0\n"
	                "  - id: acme\n"
	                "    subjects:\n"
	                "      - CN=a\n"
	                "probes: [CN=c, CN=a]\n"
	                "observers:\n"
	                "  - CN=c\n"
	                "assert:\n"
	                "  - {expect: maybe}\n",
	    "p:1: `serial` must be a whole number, not \"-1\"\n"
	    "p:3: id \"Core\" does not match [a-z0-9][a-z0-9-]{0,63}\n"
	    "p:4: path \"/core//x\" is not canonical: it has an empty segment\n"
	    "p:4: path \"/snapshots/x\" belongs to the gateway itself\n"
	    "p:4: path \"/\" would cover the gateway's own routes\n"
	    "p:5: unknown key `colour`; here may stand: id, paths, except, catalogue\n"
	    "p:6: \"/core/x\" is outside the paths of its own product\n"
	    "p:7: id \"tools\" stands on line 6 already\n"
	    "p:7: the product has no `paths`\n"
	    "p:10: subject \"CN=b, O=x\" is not canonical: an attribute type is neither a known "
	    "name "
	    "nor a dotted OID (names are case-sensitive, no spaces around them)\n"
	    "p:12: product \"nothing\" is not defined\n"
	    "p:12: `from` must be a date YYYY-MM-DD from 1970 on, not \"2026-02-30\"\n"
	    "p:13: missing key `id`\n"
	    "p:13: `until` 2026-02-01 is before `from` 2026-02-02\n"
	    "p:14: `rate` must be a whole number, with K, M or G if need be, not \"5X\"\n"
	    "p:15: `connections` must be at least 1; without the key there is no limit\n"
	    "p:16: id \"acme\" stands on line 9 already\n"
	    "p:18: subject \"CN=a\" is claimed on line 10 already\n"
	    "p:19: subject \"CN=a\" is claimed on line 10 already\n"
	    "p:21: subject \"CN=c\" is claimed on line 19 already\n"
	    "p:23: missing key `subject`\n"
	    "p:23: an assert needs either `download` or `snapshot`\n"
	    "p:23: `expect` must be allow, unknown-subject, not-licensed, licence-expired, "
	    "licence-not-started or not-permitted, not \"maybe\"\n");
}

static void
test_the_smallest_policy_has_a_serial_and_nothing_else(void **state)
{
	(void)state;
	assert_good("serial: 0\n");
	assert_good("serial: 9223372036854775807\n");
	assert_problems("products: []\n", "p:1: missing key `serial`\n");
	assert_problems("{}\n", "p:1: missing key `serial`\n");
	assert_problems("serial: 9223372036854775808\n",
	    "p:1: `serial` must be a whole number, not \"9223372036854775808\"\n");
	assert_problems("serial: 1.5\n", "p:1: `serial` must be a whole number, not \"1.5\"\n");
	assert_problems("", "p: the file is empty\n");
}

static void
test_repeated_keys_are_refused(void **state)
{
	(void)state;
	assert_problems(
	    "serial: 1\nserial: 2\n", "p:2: repeated key `serial`; it stands on line 1 already\n");
	assert_problems(CUSTOMER("    subjects: [CN=b]\n"),
	    "p:7: repeated key `subjects`; it stands on line 6 already\n");
}

static void
test_ids_follow_their_pattern(void **state)
{
	(void)state;
	static const char *const bad[] = {"''", "-a", "A", "a_b", "a.b", "a b", "../x", "\xc3\xa9",
	    "a23456789012345678901234567890123456789012345678901234567890123456"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char text[200];
		snprintf(text, sizeof text, "serial: 1\ncustomers: [{id: %s}]\n", bad[i]);
		char *found = problems_of(text);
		assert_non_null(strstr(found, "p:2: id "));
		free(found);
	}
	assert_good("serial: 1\ncustomers:\n  - id: "
	            "a234567890123456789012345678901234567890123456789012345678901234\n");
	assert_good("serial: 1\ncustomers: [{id: 0}, {id: a-}, {id: 9-z}]\n");
}

static void
test_a_subject_is_claimed_once_also_by_one_customer(void **state)
{
	(void)state;
	assert_problems("serial: 1\ncustomers: [{id: a, subjects: [CN=x, CN=x]}]\n",
	    "p:2: subject \"CN=x\" is claimed on line 2 already\n");
	assert_problems("serial: 1\nprobes: [CN=x]\nobservers: [CN=x]\n",
	    "p:3: subject \"CN=x\" is claimed on line 2 already\n");
	assert_good("serial: 1\ncustomers: [{id: a, subjects: [CN=x, CN=X]}]\nprobes: [CN=y]\n");
}

static void
test_paths_below_the_gateways_routes_are_refused(void **state)
{
	(void)state;
	static const char *const reserved[] = {"/snapshots", "/snapshots/", "/snapshots/a/",
	    "/licence", "/crl", "/healthz", "/readyz", "/status", "/status.json", "/metrics",
	    "/metrics/x"};
	for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
		char text[200], expected[200];
		snprintf(text, sizeof text, PRODUCT("    paths:\n      - %s\n"), reserved[i]);
		snprintf(expected, sizeof expected,
		    "p:5: path \"%s\" belongs to the gateway itself\n", reserved[i]);
		assert_problems(text, expected);
	}
	assert_good(PRODUCT("    paths: [/snapshots2/, /statuses, /a/metrics]\n"));
}

static void
test_exceptions_lie_within_their_product(void **state)
{
	(void)state;
	assert_good(PRODUCT("    paths: [/a/, /b]\n    except: [/a/x, /a/y/, /b]\n"));
	assert_problems(PRODUCT("    paths: [/a/]\n    except:\n      - /a/x\n      - /ab/x\n"),
	    "p:7: \"/ab/x\" is outside the paths of its own product\n");
	assert_problems(PRODUCT("    paths: [/a/]\n    except: [/a/../b]\n"),
	    "p:5: path \"/a/../b\" is not canonical: it has a \"..\" segment\n");
}

static void
test_only_real_dates_are_accepted(void **state)
{
	(void)state;
	static const char *const bad[] = {"2026-02-29", "2100-02-29", "2026-04-31", "2026-13-01",
	    "2026-00-01", "2026-01-00", "2026-1-1", "26-01-01", "2026/01/01", "1969-12-31",
	    "2026-01-01T00:00:00Z", "20260101", "tomorrow", "' 2026-01-01'", "''"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char text[300];
		snprintf(text, sizeof text,
		    CUSTOMER("    products:\n      - {id: core, until: %s}\n"), bad[i]);
		char *found = problems_of(text);
		if (strstr(found, "p:8: `until` must be a date") != found)
			fail_msg("%s gives \"%s\"", bad[i], found);
		free(found);
	}
	assert_good(CUSTOMER("    products:\n"
	                     "      - {id: core, from: 2000-02-29, until: 2024-02-29}\n"
	                     "      - {id: core, from: 1970-01-01, until: 1970-01-01}\n"
	                     "      - {id: core, until: 9999-12-31}\n"));
}

static void
test_days_are_counted_and_printed_like_the_calendar(void **state)
{
	(void)state;
	uint32_t day = 0;
	assert_true(value_day("1970-01-01", &day));
	assert_int_equal(day, 0);
	assert_true(value_day("9999-12-31", &day));
	uint32_t last = day;
	for (uint32_t i = 0; i <= last; i += 13) {
		char ours[VALUE_DATE_SIZE], calendar[16];
		time_t seconds = (time_t)i * 86400;
		struct tm utc;
		strftime(calendar, sizeof calendar, "%Y-%m-%d", gmtime_r(&seconds, &utc));
		value_print_day(i, ours);
		assert_string_equal(ours, calendar);
		assert_true(value_day(ours, &day));
		assert_int_equal(day, i);
	}
	char impossible[VALUE_DATE_SIZE];
	value_print_day(UINT32_MAX, impossible);
}

static void
test_times_are_read_to_the_second(void **state)
{
	(void)state;
	assert_int_equal(at("2026-01-01"), 1767225600);
	assert_int_equal(at("2026-01-01T00:00:00Z"), 1767225600);
	assert_int_equal(at("2026-01-01T23:59:59Z"), 1767225600 + 86399);
	static const char *const bad[] = {"2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
	    "2026-01-01T00:00:60Z", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z",
	    "2026-01-01T00:00:00+01:00", "2026-01-01T0:00:00Z", "2026-01-01Z", "now", ""};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		time_t seconds;
		if (value_time(bad[i], &seconds))
			fail_msg("\"%s\" is accepted", bad[i]);
	}
}

static void
test_sizes_take_powers_of_1024_and_never_overflow(void **state)
{
	(void)state;
	uint64_t bytes = 0;
	assert_true(value_size("0", &bytes));
	assert_true(value_size("1023", &bytes) && bytes == 1023);
	assert_true(value_size("3K", &bytes) && bytes == 3072);
	assert_true(value_size("50M", &bytes) && bytes == 50 << 20);
	assert_true(value_size("8589934591G", &bytes) && bytes == 8589934591 << 30);
	static const char *const bad[] = {"", "K", "1k", "1KB", "1 K", "-1", "+1", "01", "1.5M",
	    "1T", "8589934592G", "9223372036854775808", "99999999999999999999", "0x10"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (value_size(bad[i], &bytes))
			fail_msg("\"%s\" is accepted", bad[i]);
	}
}

static void
test_limits_are_numbers_above_zero(void **state)
{
	(void)state;
	assert_good(
	    CUSTOMER("    rate: 1\n    connections: 4294967295\n    snapshots_per_day: 1\n"));
	assert_problems(
	    CUSTOMER("    rate: 0K\n    connections: 4294967296\n    snapshots_per_day: 1K\n"),
	    "p:7: `rate` must be at least 1; without the key there is no limit\n"
	    "p:8: `connections` must be a whole number, not \"4294967296\"\n"
	    "p:9: `snapshots_per_day` must be a whole number, not \"1K\"\n");
}

static void
test_a_product_may_require_catalogues_of_folders_only(void **state)
{
	(void)state;
	assert_problems("serial: 1\n"
	                "products:\n"
	                "  - id: a\n"
	                "    paths: [/a/]\n"
	                "    catalogue: optional\n"
	                "  - id: b\n"
	                "    paths: [/b.zip]\n"
	                "    catalogue: required\n",
	    "p:5: `catalogue` must be required, or be left out, not \"optional\"\n"
	    "p:7: \"/b.zip\" is one file, which no catalogue names: put it into a product without "
	    "`catalogue: required`\n");
}

static void
test_snapshots_without_limit_must_be_asked_for(void **state)
{
	(void)state;
	assert_good(CUSTOMER("    snapshots_per_day: 0\n"));
	assert_good(CUSTOMER("    requests_per_second: 200\n"));
	assert_problems(CUSTOMER("    snapshots_per_day: -1\n    requests_per_second: 0\n"),
	    "p:7: `snapshots_per_day` must be a whole number, not \"-1\"\n"
	    "p:8: `requests_per_second` must be at least 1; without the key there is no limit\n");
}

static void
test_asserts_are_decided_and_failures_reported(void **state)
{
	(void)state;
	assert_good(CUSTOMER("    products: [{id: core, until: 2026-06-30}]\n"
	                     "assert:\n"
	                     "  - {subject: CN=acme, download: /core/x, expect: allow}\n"
	                     "  - {subject: CN=acme, download: /core/x, expect: licence-expired, "
	                     "at: 2026-07-01}\n"
	                     "  - {subject: CN=acme, download: /core/x, expect: allow, "
	                     "at: 2026-06-30T23:59:59Z}\n"
	                     "  - {subject: CN=acme, download: /x, expect: not-licensed}\n"
	                     "  - {subject: CN=acme, snapshot: prod-1, expect: allow}\n"
	                     "  - {subject: CN=other, snapshot: a, expect: unknown-subject}\n"));
	assert_problems(CUSTOMER("    products: [{id: core, until: 2026-05-31}]\n"
	                         "assert:\n"
	                         "  - {subject: CN=acme, download: /core/x, expect: allow}\n"
	                         "  - subject: CN=acme\n"
	                         "    snapshot: prod-1\n"
	                         "    expect: not-permitted\n"),
	    "p:9: assert failed: download /core/x by \"CN=acme\" gives licence-expired, not allow\n"
	    "p:10: assert failed: snapshot prod-1 by \"CN=acme\" gives allow, not not-permitted\n");
}

static void
test_an_assert_must_be_well_formed(void **state)
{
	(void)state;
	assert_problems("serial: 1\nassert:\n"
	                "  - {subject: acme, download: x, expect: allow}\n"
	                "  - {subject: CN=a, download: /x, snapshot: y, expect: allow}\n"
	                "  - {subject: CN=a, download: /x, expect: allow, at: today}\n"
	                "  - {subject: CN=a, download: /x}\n",
	    "p:3: subject \"acme\" is not canonical: an RDN is not TYPE=VALUE\n"
	    "p:3: path \"x\" is not canonical: it does not begin with /\n"
	    "p:4: an assert needs either `download` or `snapshot`\n"
	    "p:5: `at` must be YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ, not \"today\"\n"
	    "p:6: missing key `expect`\n");
}

static void
test_many_mistakes_are_all_reported_without_delay(void **state)
{
	(void)state;
	enum { CUSTOMERS = 5000 };
	char *text = malloc(CUSTOMERS * 64 + 100), *end = text;
	end += sprintf(end, "serial: 1\ncustomers:\n");
	for (int i = 0; i < CUSTOMERS; i++)
		end += sprintf(end, "  - {id: c%d, subjects: [CN=same], rate: x}\n", i);
	struct problems *problems = problems_new();
	assert_int_equal(policy_compile_text("p", text, (size_t)(end - text), 0, problems), -1);
	assert_int_equal(problems_count(problems), 2 * CUSTOMERS - 1);
	assert_string_equal(problems_text(problems, 2 * CUSTOMERS - 3),
	    "p:5002: subject \"CN=same\" is claimed on line 3 already");
	problems_free(problems);
	free(text);
}

static void
test_files_that_cannot_be_read_are_problems(void **state)
{
	(void)state;
	struct problems *problems = problems_new();
	assert_int_equal(policy_compile("/nonexistent/policy.yaml", 0, problems), -1);
	assert_string_equal(problems_text(problems, 0),
	    "/nonexistent/policy.yaml: cannot open: No such file or directory");
	problems_free(problems);
	problems = problems_new();
	assert_int_equal(policy_compile("/tmp", 0, problems), -1);
	assert_string_equal(problems_text(problems, 0), "/tmp: is not a regular file");
	problems_free(problems);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_mistakes_are_reported_in_one_run),
	    cmocka_unit_test(test_the_smallest_policy_has_a_serial_and_nothing_else),
	    cmocka_unit_test(test_repeated_keys_are_refused),
	    cmocka_unit_test(test_ids_follow_their_pattern),
	    cmocka_unit_test(test_a_subject_is_claimed_once_also_by_one_customer),
	    cmocka_unit_test(test_paths_below_the_gateways_routes_are_refused),
	    cmocka_unit_test(test_exceptions_lie_within_their_product),
	    cmocka_unit_test(test_only_real_dates_are_accepted),
	    cmocka_unit_test(test_days_are_counted_and_printed_like_the_calendar),
	    cmocka_unit_test(test_times_are_read_to_the_second),
	    cmocka_unit_test(test_sizes_take_powers_of_1024_and_never_overflow),
	    cmocka_unit_test(test_limits_are_numbers_above_zero),
	    cmocka_unit_test(test_a_product_may_require_catalogues_of_folders_only),
	    cmocka_unit_test(test_snapshots_without_limit_must_be_asked_for),
	    cmocka_unit_test(test_asserts_are_decided_and_failures_reported),
	    cmocka_unit_test(test_an_assert_must_be_well_formed),
	    cmocka_unit_test(test_many_mistakes_are_all_reported_without_delay),
	    cmocka_unit_test(test_files_that_cannot_be_read_are_problems),
	};
	return cmocka_run_group_tests_name("policy_check", tests, NULL, NULL);
}
