/*
 * Images as text again: what is dumped compiles to the same image, byte for byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "policy/policy_dump.h"
#include "policy_fixture.h"
#include "random.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The dump of the image at FD; the caller frees it. */
static char *
dumped(int fd)
{
	char error[POLICY_ERROR_MAX], *text = NULL;
	const char *defect = NULL;
	size_t len;
	struct policy *policy = policy_open(fd, "p", error);
	assert_non_null(policy);
	struct policy_listing *listing = policy_listing_new(policy, &defect);
	if (listing == NULL)
		fail_msg("%s", defect);
	FILE *out = open_memstream(&text, &len);
	policy_dump(listing, out);
	assert_int_equal(fclose(out), 0);
	policy_listing_free(listing);
	policy_free(policy);
	return text;
}

static void
assert_same_content(int a, int b, const char *text)
{
	struct stat left, right;
	assert_int_equal(fstat(a, &left), 0);
	assert_int_equal(fstat(b, &right), 0);
	if (left.st_size != right.st_size)
		fail_msg("another image from:\n%s", text);
	size_t len = (size_t)left.st_size;
	char *one = buffer_alloc(len), *two = buffer_alloc(len);
	assert_int_equal(pread(a, one, len, 0), len);
	assert_int_equal(pread(b, two, len, 0), len);
	if (memcmp(one, two, len) != 0)
		fail_msg("another image from:\n%s", text);
	free(one);
	free(two);
}

static void
assert_comes_back(const char *text)
{
	int image = compiled(text);
	char *dump = dumped(image);
	int again = compiled(dump);
	assert_same_content(image, again, dump);
	close(image);
	close(again);
	free(dump);
}

static void
test_a_dump_is_a_policy_a_person_can_read(void **state)
{
	(void)state;
	static const char text[] = "serial: 12\n"
	                           "products:\n"
	                           "  - id: core\n"
	                           "    paths: [\"/core/\", \"/keys.asc\"]\n"
	                           "    except: [\"/core/internal/\"]\n"
	                           "  - id: signed\n"
	                           "    paths: [\"/signed/\"]\n"
	                           "    catalogue: required\n"
	                           "customers:\n"
	                           "  - id: acme\n"
	                           "    subjects: [\"CN=acme,O=Café\", \"CN=a\\\\\\\"b\"]\n"
	                           "    products:\n"
	                           "      - {id: core, from: 2026-01-01, until: 2027-12-31}\n"
	                           "      - {id: core}\n"
	                           "    rate: 50M\n"
	                           "    connections: 64\n"
	                           "    requests_per_second: 200\n"
	                           "    snapshots_per_day: 48\n"
	                           "  - id: empty\n"
	                           "probes: [\"CN=lb\"]\n"
	                           "observers: [\"CN=ops\", \"CN=ops2\"]\n";
	int image = compiled(text);
	char *dump = dumped(image);
	assert_string_equal(dump, text);
	close(image);
	free(dump);
}

static void
test_the_smallest_policy_comes_back(void **state)
{
	(void)state;
	assert_comes_back("serial: 0\n");
}

static void
test_issuers_come_back(void **state)
{
	(void)state;
	assert_comes_back("serial: 1\n"
	                  "issuer: CN=Our CA\n"
	                  "customers:\n"
	                  "  - {id: a, subjects: [CN=a, CN=a2], issuer: \"CN=A\\\\\\\"s CA\"}\n"
	                  "  - {id: b, subjects: [CN=b]}\n"
	                  "  - {id: none, issuer: CN=No matter}\n"
	                  "probes: [CN=lb]\n"
	                  "observers: [CN=ops]\n");
	assert_comes_back("serial: 1\n"
	                  "issuer: CN=Our CA\n"
	                  "customers: [{id: a, subjects: [CN=a]}]\n");
	assert_comes_back("serial: 1\n"
	                  "customers:\n"
	                  "  - {id: a, subjects: [CN=a], issuer: CN=A CA}\n"
	                  "  - {id: b, subjects: [CN=b]}\n"
	                  "probes: [CN=lb]\n");
}

static void
test_ids_that_yaml_takes_for_other_things_come_back(void **state)
{
	(void)state;
	assert_comes_back(
	    "serial: 1\n"
	    "products:\n"
	    "  - {id: \"null\", paths: [/n/]}\n"
	    "  - {id: 0x1, paths: [/t/]}\n"
	    "  - {id: 2026-01-01, paths: [/d/]}\n"
	    "  - {id: \"true\", paths: [/t/]}\n"
	    "customers:\n"
	    "  - {id: \"null\", subjects: [CN=a], products: [{id: \"null\"}, {id: 0x1}]}\n"
	    "  - {id: 1-2, products: [{id: 2026-01-01}, {id: \"true\"}]}\n");
}

static void
test_subjects_that_yaml_would_fold_or_refuse_come_back(void **state)
{
	(void)state;
	assert_comes_back("serial: 1\n"
	                  "customers:\n"
	                  "  - id: a\n"
	                  "    subjects:\n"
	                  "      - \"CN=\\u2028line\\u2029paragraph\"\n"
	                  "      - \"CN=\\ufeffmark\"\n"
	                  "      - \"CN=\\ufffe\\uffff\"\n"
	                  "      - \"CN=\\xa0\\U0010ffff\\U00010000\"\n"
	                  "      - \"CN=a\\\\\\\"b'c: d # e\"\n"
	                  "      - \"CN=\\\\#x\\\\\\\\y\"\n"
	                  "      - \"CN={a}[b]&*!|%@`,O=\\\\ x\\\\ \"\n");
}

/* ---- random policies ---- */

static const char *
pick(uint64_t *seed, const char *const *list, size_t count)
{
	return list[random_below(seed, count)];
}

static void
add_dates(struct buffer *out, uint64_t *seed)
{
	char from[VALUE_DATE_SIZE], until[VALUE_DATE_SIZE];
	uint32_t first = (uint32_t)random_below(seed, VALUE_LAST_DAY);
	uint32_t days = (uint32_t)random_below(seed, VALUE_LAST_DAY - first + 1);
	value_print_day(first, from);
	value_print_day(first + days, until);
	if (random_below(seed, 2) == 0)
		buffer_printf(out, ", from: %s", from);
	if (random_below(seed, 2) == 0)
		buffer_printf(out, ", until: %s", until);
}

static size_t
add_products(struct buffer *out, uint64_t *seed)
{
	static const char *const names[] = {"a", "b/", "c.zip", "d-e/", "core/x/", "~$&'()/"};
	size_t count = random_below(seed, 6);
	buffer_printf(out, count > 0 ? "products:\n" : "products: []\n");
	for (size_t i = 0; i < count; i++) {
		buffer_printf(out, "  - id: p%zu\n    paths: [\"/top/\"", i);
		for (size_t left = random_below(seed, 4); left > 0; left--)
			buffer_printf(out, ", \"/%s\"", pick(seed, names, COUNT(names)));
		buffer_printf(out, "]\n    except: [");
		for (size_t left = random_below(seed, 3); left > 0; left--)
			buffer_printf(out, "\"/top/%s\"%s", pick(seed, names, COUNT(names)),
			    left > 1 ? ", " : "");
		buffer_printf(out, "]\n");
	}
	return count;
}

/* Subjects are numbered, so that none comes twice. */
static void
add_subjects(struct buffer *out, uint64_t *seed, const char *key, size_t *number)
{
	static const char *const values[] = {
	    "plain", "caf\u00e9", "a: b", "x # y", "\\\\\\\"q", "\\u2028", "\u65e5\u672c"};
	buffer_printf(out, "%s: [", key);
	for (size_t left = random_below(seed, 4); left > 0; left--)
		buffer_printf(out, "\"CN=%zu,O=%s\"%s", (*number)++,
		    pick(seed, values, COUNT(values)), left > 1 ? ", " : "");
	buffer_printf(out, "]\n");
}

static void
add_limit(struct buffer *out, uint64_t *seed, const char *key, const char *unit)
{
	if (random_below(seed, 2) == 0)
		buffer_printf(out, "    %s: %zu%s\n", key, 1 + random_below(seed, 100000), unit);
}

static void
add_customers(struct buffer *out, uint64_t *seed, size_t products, size_t *number)
{
	size_t count = random_below(seed, 8);
	buffer_printf(out, count > 0 ? "customers:\n" : "");
	for (size_t i = 0; i < count; i++) {
		buffer_printf(out, "  - id: c%zu\n", i);
		add_subjects(out, seed, "    subjects", number);
		add_limit(out, seed, "rate", random_below(seed, 2) == 0 ? "K" : "");
		add_limit(out, seed, "connections", "");
		add_limit(out, seed, "requests_per_second", "");
		if (random_below(seed, 4) == 0)
			buffer_printf(out, "    snapshots_per_day: 0\n");
		else
			add_limit(out, seed, "snapshots_per_day", "");
		size_t licences = products > 0 ? random_below(seed, 5) : 0;
		buffer_printf(out, licences > 0 ? "    products:\n" : "");
		for (; licences > 0; licences--) {
			buffer_printf(out, "      - {id: p%zu", random_below(seed, products));
			add_dates(out, seed);
			buffer_printf(out, "}\n");
		}
	}
}

static void
test_any_policy_comes_back(void **state)
{
	(void)state;
	uint64_t seed = 20261124;
	print_message("seed %llu\n", (unsigned long long)seed);
	for (int round = 0; round < 2000; round++) {
		struct buffer text = {0};
		size_t number = 0;
		buffer_printf(&text, "serial: %zu\n", random_below(&seed, 1000));
		size_t products = add_products(&text, &seed);
		add_customers(&text, &seed, products, &number);
		add_subjects(&text, &seed, "probes", &number);
		add_subjects(&text, &seed, "observers", &number);
		buffer_append(&text, "", 1);
		assert_comes_back(buffer_bytes(&text));
		buffer_fini(&text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_dump_is_a_policy_a_person_can_read),
	    cmocka_unit_test(test_the_smallest_policy_comes_back),
	    cmocka_unit_test(test_issuers_come_back),
	    cmocka_unit_test(test_ids_that_yaml_takes_for_other_things_come_back),
	    cmocka_unit_test(test_subjects_that_yaml_would_fold_or_refuse_come_back),
	    cmocka_unit_test(test_any_policy_comes_back),
	};
	return cmocka_run_group_tests_name("policy_dump", tests, NULL, NULL);
}
