/*
 * Differences between policies: what is reported, what is not worth reporting, and that access
 * means what the gateway decides.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/path.h"
#include "policy/policy_diff_print.h"
#include "policy_fixture.h"
#include "random.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* A policy and all that is in it. */
struct side {
	struct policy *policy;
	struct policy_listing *listing;
};

static struct side
side_of(const char *text)
{
	const char *defect;
	struct side side = {.policy = opened(text)};
	side.listing = policy_listing_new(side.policy, &defect);
	assert_non_null(side.listing);
	return side;
}

static void
free_side(struct side side)
{
	policy_listing_free(side.listing);
	policy_free(side.policy);
}

/* The differences as text without the last two lines, serial and summary. */
static char *
differences(const char *old_text, const char *new_text)
{
	struct side old = side_of(old_text), new = side_of(new_text);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	policy_diff_print_text((struct policy_diff_input){"old", old.listing},
	    (struct policy_diff_input){"new", new.listing}, out);
	assert_int_equal(fclose(out), 0);
	free_side(old);
	free_side(new);
	char *end = strstr(text, "serial     ");
	assert_non_null(end);
	*end = '\0';
	return text;
}

static void
assert_differences(const char *old, const char *new, const char *expected)
{
	char *text = differences(old, new);
	assert_string_equal(text, expected);
	free(text);
}

#define PRODUCTS                                                \
	"products:\n"                                           \
	"  - {id: core, paths: [/core/], except: [/core/x/]}\n" \
	"  - {id: plus, paths: [/plus/]}\n"

static void
test_a_policy_does_not_differ_from_itself(void **state)
{
	(void)state;
	static const char text[] =
	    "serial: 1\n" PRODUCTS
	    "customers: [{id: a, subjects: [CN=a], products: [{id: core}]}]\n"
	    "probes: [CN=p]\nobservers: [CN=o]\n";
	assert_differences(text, text, "");
}

static void
test_the_order_of_entries_is_no_difference(void **state)
{
	(void)state;
	assert_differences(
	    "serial: 1\n" PRODUCTS "customers:\n"
	    "  - {id: a, subjects: [CN=a, CN=b], products: [{id: core}, {id: plus}]}\n"
	    "  - {id: b}\n",
	    "serial: 2\n"
	    "products:\n"
	    "  - {id: plus, paths: [/plus/]}\n"
	    "  - {id: core, paths: [/core/], except: [/core/x/]}\n"
	    "customers:\n"
	    "  - {id: b}\n"
	    "  - {id: a, subjects: [CN=b, CN=a], products: [{id: plus}, {id: core}]}\n",
	    "");
}

static void
test_customers_products_and_paths_come_and_go(void **state)
{
	(void)state;
	assert_differences("serial: 1\n" PRODUCTS "customers: [{id: a}, {id: b}]\n",
	    "serial: 2\n"
	    "products:\n"
	    "  - {id: core, paths: [/core/, /core2/], except: [/core/y/]}\n"
	    "  - {id: next, paths: [/next]}\n"
	    "customers: [{id: b}, {id: c}]\n",
	    "customer   + c\n"
	    "customer   - a\n"
	    "product    + next\n"
	    "product    - plus\n"
	    "path       + core /core2/\n"
	    "except     + core /core/y/\n"
	    "path       + next /next\n"
	    "except     - core /core/x/\n"
	    "path       - plus /plus/\n");
}

static void
test_subjects_come_go_and_change_hands(void **state)
{
	(void)state;
	assert_differences("serial: 1\n"
	                   "customers: [{id: a, subjects: [CN=1, CN=2, CN=3]}, {id: b}]\n"
	                   "probes: [CN=4]\n"
	                   "observers: [CN=5]\n",
	    "serial: 2\n"
	    "customers: [{id: a, subjects: [CN=1]}, {id: b, subjects: [CN=2, CN=6]}]\n"
	    "probes: [CN=5]\n",
	    "subject    ~ CN=2: customer a -> customer b\n"
	    "subject    + CN=6: customer b\n"
	    "subject    ~ CN=5: observer -> probe\n"
	    "subject    - CN=3: customer a\n"
	    "subject    - CN=4: probe\n");
	assert_differences("serial: 1\n"
	                   "customers: [{id: a, subjects: [CN=1], issuer: CN=X}]\n"
	                   "probes: [CN=4]\n",
	    "serial: 2\nissuer: CN=Y\n"
	    "customers: [{id: a, subjects: [CN=1]}]\n"
	    "probes: [CN=4]\n",
	    "subject    ~ CN=1: customer a, issued by CN=X -> customer a, issued by CN=Y\n"
	    "subject    ~ CN=4: probe -> probe, issued by CN=Y\n");
}

static void
test_a_product_that_begins_or_ceases_to_require_catalogues_is_shown(void **state)
{
	static const char with[] =
	    "serial: 1\nproducts: [{id: core, paths: [/core/], catalogue: required}]\n";
	static const char without[] = "serial: 2\nproducts: [{id: core, paths: [/core/]}]\n";

	(void)state;
	assert_differences(with, without, "catalogue  - core\n");
	assert_differences(without, with, "catalogue  + core\n");
}

static void
test_limits_are_compared_one_by_one(void **state)
{
	(void)state;
	assert_differences("serial: 1\n"
	                   "customers: [{id: a, subjects: [CN=1], rate: 50M, connections: 4}]\n",
	    "serial: 2\n"
	    "customers: [{id: a, subjects: [CN=1], rate: 1G, snapshots_per_day: 7,\n"
	    "  requests_per_second: 200}]\n",
	    "limit      ~ a rate: 50M -> 1G\n"
	    "limit      ~ a connections: 4 -> none\n"
	    "limit      ~ a requests_per_second: none -> 200\n"
	    "limit      ~ a snapshots_per_day: 100 -> 7\n");
	assert_differences("serial: 1\ncustomers: [{id: a, subjects: [CN=1]}]\n",
	    "serial: 2\ncustomers: [{id: a, subjects: [CN=1], snapshots_per_day: 0}]\n",
	    "limit      ~ a snapshots_per_day: 100 -> none\n");
}

static void
test_licences_are_gained_lost_and_moved_in_time(void **state)
{
	(void)state;
	assert_differences("serial: 1\n" PRODUCTS "customers:\n"
	                   "  - {id: a, products: [{id: core, until: 2026-12-31}]}\n"
	                   "  - {id: b, products: [{id: core}]}\n",
	    "serial: 2\n" PRODUCTS "customers:\n"
	    "  - {id: a, products: [{id: core, from: 2026-01-01, until: 2027-12-31}]}\n"
	    "  - {id: b, products: [{id: plus, from: 2026-01-01}]}\n",
	    "licence    ~ a core: until 2026-12-31 -> from 2026-01-01 until 2027-12-31\n"
	    "access     ~ a /core/ except /core/x/: until 2026-12-31 -> from 2026-01-01 until "
	    "2027-12-31\n"
	    "licence    - b core: always\n"
	    "licence    + b plus: from 2026-01-01\n"
	    "access     - b /core/ except /core/x/: always\n"
	    "access     + b /plus/: from 2026-01-01\n");
}

static void
test_licences_that_hold_on_the_same_days_are_the_same(void **state)
{
	(void)state;
	assert_differences("serial: 1\n" PRODUCTS "customers:\n"
	                   "  - id: a\n"
	                   "    products:\n"
	                   "      - {id: core, from: 2026-01-01, until: 2026-06-30}\n"
	                   "      - {id: core, from: 2026-07-01, until: 2026-12-31}\n",
	    "serial: 2\n" PRODUCTS "customers:\n"
	    "  - id: a\n"
	    "    products: [{id: core, from: 2026-01-01, until: 2026-12-31}]\n",
	    "");
}

static void
test_a_gap_between_licences_is_seen(void **state)
{
	(void)state;
	assert_differences("serial: 1\n" PRODUCTS
	                   "customers: [{id: a, products: [{id: plus, from: 2026-01-01}]}]\n",
	    "serial: 2\n" PRODUCTS "customers:\n"
	    "  - id: a\n"
	    "    products:\n"
	    "      - {id: plus, from: 2026-01-01, until: 2026-06-30}\n"
	    "      - {id: plus, from: 2026-07-02}\n",
	    "licence    ~ a plus: from 2026-01-01 -> from 2026-01-01 until 2026-06-30 and from "
	    "2026-07-02\n"
	    "access     ~ a /plus/: from 2026-01-01 -> from 2026-01-01 until 2026-06-30 and from "
	    "2026-07-02\n");
}

static void
test_a_product_with_a_new_name_changes_nobodys_access(void **state)
{
	(void)state;
	char *text =
	    differences("serial: 1\n" PRODUCTS "customers: [{id: a, products: [{id: core}]}]\n",
	        "serial: 2\n"
	        "products:\n"
	        "  - {id: kernel, paths: [/core/], except: [/core/x/]}\n"
	        "customers: [{id: a, products: [{id: kernel}]}]\n");
	assert_non_null(strstr(text, "licence    + a kernel: always\n"));
	assert_null(strstr(text, "access"));
	free(text);
}

static void
test_a_path_that_a_product_loses_is_lost_by_its_customers(void **state)
{
	(void)state;
	assert_differences("serial: 1\n"
	                   "products: [{id: core, paths: [/core/, /keys]}]\n"
	                   "customers: [{id: a, products: [{id: core}]}, {id: b}]\n",
	    "serial: 2\n"
	    "products: [{id: core, paths: [/core/]}]\n"
	    "customers: [{id: a, products: [{id: core}]}, {id: b}]\n",
	    "path       - core /keys\n"
	    "access     - a /keys: always\n");
}

static void
test_a_path_that_was_open_already_is_no_gain(void **state)
{
	(void)state;
	assert_differences("serial: 1\n"
	                   "products: [{id: core, paths: [/core/]}]\n"
	                   "customers: [{id: a, products: [{id: core}]}]\n",
	    "serial: 2\n"
	    "products: [{id: core, paths: [/core/, /core/10/, /core/10/x]}]\n"
	    "customers: [{id: a, products: [{id: core}]}]\n",
	    "path       + core /core/10/\n"
	    "path       + core /core/10/x\n");
}

static void
test_a_lifted_exception_opens_exactly_that_path(void **state)
{
	(void)state;
	assert_differences("serial: 1\n" PRODUCTS "customers: [{id: a, products: [{id: core}]}]\n",
	    "serial: 2\n"
	    "products: [{id: core, paths: [/core/]}, {id: plus, paths: [/plus/]}]\n"
	    "customers: [{id: a, products: [{id: core}]}]\n",
	    "except     - core /core/x/\n"
	    "access     + a /core/x/: always\n");
}

static void
test_what_another_licence_covers_is_not_lost(void **state)
{
	(void)state;
	assert_differences("serial: 1\n"
	                   "products: [{id: all, paths: [/p/]}, {id: part, paths: [/p/a/]}]\n"
	                   "customers: [{id: a, products: [{id: all}, {id: part}]}]\n",
	    "serial: 2\n"
	    "products: [{id: all, paths: [/p/]}, {id: part, paths: [/p/a/]}]\n"
	    "customers: [{id: a, products: [{id: part}]}]\n",
	    "licence    - a all: always\n"
	    "access     - a /p/ except /p/a/: always\n");
}

static void
test_a_path_with_other_dates_has_a_line_of_its_own(void **state)
{
	(void)state;
	static const char products[] =
	    "products: [{id: all, paths: [/p/]}, {id: part, paths: [/p/a/]}]\n";
	char old[200], new[300];
	snprintf(old, sizeof old, "serial: 1\n%scustomers: [{id: a}]\n", products);
	snprintf(new, sizeof new,
	    "serial: 2\n%scustomers: [{id: a, products: [{id: all, until: 2026-12-31}, {id: "
	    "part}]}]\n",
	    products);
	assert_differences(old, new,
	    "licence    + a all: until 2026-12-31\n"
	    "licence    + a part: always\n"
	    "access     + a /p/: until 2026-12-31\n"
	    "access     + a /p/a/: always\n");
}

static void
test_a_summary_counts_and_says_when_there_is_nothing_to_count(void **state)
{
	(void)state;
	char text[POLICY_DIFF_SUMMARY_MAX];
	struct policy *old =
	    opened("serial: 1\n" PRODUCTS
	           "customers: [{id: a, subjects: [CN=1], products: [{id: core}]}]\n");
	struct policy *new =
	    opened("serial: 2\n" PRODUCTS "customers:\n"
	           "  - {id: a, products: [{id: core, until: 2027-12-31}]}\n"
	           "  - {id: b, subjects: [CN=1, CN=2], products: [{id: plus}]}\n");
	policy_diff_summary(old, new, text);
	assert_string_equal(text,
	    "customers +1 -0, products +0 -0, paths +0 -0, exceptions +0 -0, subjects +1 -0 ~1, "
	    "limits ~0, licences +1 -0 ~1");
	policy_diff_summary(new, new, text);
	assert_string_equal(text, "no difference");
	policy_free(old);
	policy_free(new);
}

/* ---- against the gateway's own decisions ---- */

static const char *const rules[] = {"/a/", "/a/b/", "/a/b/c", "/a/b-c", "/a/b/c/", "/a/d/", "/e"};
static const char *const paths[] = {
    "/a/x", "/a/b/x", "/a/b/c", "/a/b-c", "/a/b/c/x", "/a/d/x", "/a/b/c/d/x", "/e", "/e/x", "/a/b"};
enum { FIRST_DAY = 20000, DAYS = 8 };

static void
add_texts(struct buffer *out, uint64_t *seed, const char *key, size_t least)
{
	size_t count = least + random_below(seed, 3);
	buffer_printf(out, ", %s: [", key);
	for (size_t i = 0; i < count; i++)
		buffer_printf(
		    out, "%s%s", i > 0 ? ", " : "", rules[random_below(seed, COUNT(rules))]);
	buffer_printf(out, "]");
}

/* A policy of one customer. The last product has all paths, so that it may have any exception. */
static char *
random_policy(uint64_t *seed)
{
	struct buffer out = {0};
	size_t products = 1 + random_below(seed, 3), licences = random_below(seed, 5);
	buffer_printf(&out, "serial: 1\nproducts:\n");
	for (size_t i = 0; i < products; i++) {
		buffer_printf(&out, "  - {id: p%zu", i);
		add_texts(&out, seed, "paths", 1);
		buffer_printf(&out, "}\n");
	}
	buffer_printf(&out, "  - {id: p%zu, paths: [/a/, /e], except: [%s, %s]}\n", products,
	    rules[random_below(seed, COUNT(rules))], rules[random_below(seed, COUNT(rules))]);
	buffer_printf(&out, "customers:\n  - id: c\n    subjects: [CN=c]\n    products:%s\n",
	    licences == 0 ? " []" : "");
	for (; licences > 0; licences--) {
		char from[VALUE_DATE_SIZE], until[VALUE_DATE_SIZE];
		size_t first = random_below(seed, DAYS), last = first + random_below(seed, DAYS);
		value_print_day(FIRST_DAY + (uint32_t)first, from);
		value_print_day(FIRST_DAY + (uint32_t)last, until);
		buffer_printf(&out, "      - {id: p%zu%s%s%s%s}\n",
		    random_below(seed, products + 1), first > 1 ? ", from: " : "",
		    first > 1 ? from : "", last < DAYS ? ", until: " : "",
		    last < DAYS ? until : "");
	}
	buffer_append(&out, "", 1);
	return buffer_bytes(&out);
}

/* One path on one day, and what the reported changes say about it. */
struct question {
	const char *path;
	uint32_t day;
	size_t deciding; /* length of the longest change's path so far; 0: none */
	bool excepted;
	bool old, new;
};

static bool
covers(const char *rule, const char *path)
{
	return path_matches(rule, strlen(rule), path, strlen(path));
}

static bool
holds_on(const struct policy_diff_side *side, uint32_t day)
{
	for (size_t i = 0; side != NULL && i < side->periods.count; i++) {
		if (day >= side->periods.list[i].from && day < side->periods.list[i].ends)
			return true;
	}
	return false;
}

static void
apply(const struct policy_diff_change *change, void *arg)
{
	struct question *question = arg;
	if (change->kind != POLICY_DIFF_ACCESS || !covers(change->item, question->path) ||
	    strlen(change->item) <= question->deciding)
		return;
	question->deciding = strlen(change->item);
	question->excepted = false;
	for (size_t i = 0; change->except[i] != NULL; i++)
		question->excepted |= covers(change->except[i], question->path);
	question->old = holds_on(change->old, question->day);
	question->new = holds_on(change->new, question->day);
}

static bool
is_allowed(const struct policy *policy, const struct question *question)
{
	struct policy_caller caller = policy_find_caller(policy, "CN=c");
	time_t now = (time_t)question->day * 86400;
	return policy_decide_download(policy, &caller, question->path, strlen(question->path), now)
	           .verdict == POLICY_ALLOW;
}

static size_t
ask(struct side old, struct side new, const char *path, uint32_t day)
{
	struct question question = {.path = path, .day = day};
	policy_diff(old.listing, new.listing, apply, &question);
	bool before = is_allowed(old.policy, &question), after = is_allowed(new.policy, &question);
	if (question.deciding == 0 || question.excepted)
		assert_int_equal(before, after);
	else if (before != question.old || after != question.new)
		fail_msg("%s on day %u: %d -> %d, reported %d -> %d", path, (unsigned)day, before,
		    after, question.old, question.new);
	return before != after;
}

static void
test_access_is_what_the_gateway_decides(void **state)
{
	(void)state;
	uint64_t seed = 20261124;
	size_t differences_seen = 0;
	print_message("seed %llu\n", (unsigned long long)seed);
	for (int round = 0; round < 400; round++) {
		char *texts[] = {random_policy(&seed), random_policy(&seed)};
		struct side old = side_of(texts[0]), new = side_of(texts[1]);
		for (size_t i = 0; i < COUNT(paths); i++) {
			for (uint32_t day = 0; day < 2 * DAYS; day++)
				differences_seen += ask(old, new, paths[i], FIRST_DAY - 1 + day);
		}
		free_side(old);
		free_side(new);
		free(texts[0]);
		free(texts[1]);
	}
	assert_true(differences_seen > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_policy_does_not_differ_from_itself),
	    cmocka_unit_test(test_the_order_of_entries_is_no_difference),
	    cmocka_unit_test(test_customers_products_and_paths_come_and_go),
	    cmocka_unit_test(test_subjects_come_go_and_change_hands),
	    cmocka_unit_test(test_a_product_that_begins_or_ceases_to_require_catalogues_is_shown),
	    cmocka_unit_test(test_limits_are_compared_one_by_one),
	    cmocka_unit_test(test_licences_are_gained_lost_and_moved_in_time),
	    cmocka_unit_test(test_licences_that_hold_on_the_same_days_are_the_same),
	    cmocka_unit_test(test_a_gap_between_licences_is_seen),
	    cmocka_unit_test(test_a_product_with_a_new_name_changes_nobodys_access),
	    cmocka_unit_test(test_a_path_that_a_product_loses_is_lost_by_its_customers),
	    cmocka_unit_test(test_a_path_that_was_open_already_is_no_gain),
	    cmocka_unit_test(test_a_lifted_exception_opens_exactly_that_path),
	    cmocka_unit_test(test_what_another_licence_covers_is_not_lost),
	    cmocka_unit_test(test_a_path_with_other_dates_has_a_line_of_its_own),
	    cmocka_unit_test(test_a_summary_counts_and_says_when_there_is_nothing_to_count),
	    cmocka_unit_test(test_access_is_what_the_gateway_decides),
	};
	return cmocka_run_group_tests_name("policy_diff", tests, NULL, NULL);
}
