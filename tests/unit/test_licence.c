/*
 * Licences: nothing is printed or built into a path that the policy would not allow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/release/licence.h"
#include "client_fixture.h"

#define PRODUCT(product, from, until, valid, paths)                                       \
	"{\"product\":" product ",\"from\":" from ",\"until\":" until ",\"valid\":" valid \
	",\"paths\":" paths "}"
#define LICENCE(customer, products) "{\"customer\":" customer ",\"licences\":[" products "]}\n"
#define GOOD_PRODUCT PRODUCT("\"pos\"", "\"2026-01-01\"", "null", "true", "[\"/pos/\",\"/x.bin\"]")
#define GOOD LICENCE("\"acme\"", GOOD_PRODUCT)

static struct licence *
read_text(const char *text)
{
	struct failure failure = {0};
	struct buffer buffer = client_text(text);
	struct licence *licence = licence_read(&buffer, &failure);

	assert_int_equal(failure.kind, licence != NULL ? FAILURE_NONE : FAILURE_ANSWER);
	buffer_fini(&buffer);
	return licence;
}

static void
assert_prints(const struct buffer *out, const char *expected)
{
	assert_int_equal(buffer_size(out), strlen(expected));
	assert_memory_equal(buffer_bytes(out), expected, strlen(expected));
}

static void
test_a_good_licence_is_read(void **state)
{
	struct licence *licence = read_text(GOOD);

	(void)state;
	assert_non_null(licence);
	assert_string_equal(licence->customer, "acme");
	assert_int_equal(licence->product_count, 1);
	assert_string_equal(licence->products[0].product, "pos");
	assert_string_equal(licence->products[0].from, "2026-01-01");
	assert_null(licence->products[0].until);
	assert_true(licence->products[0].valid);
	assert_int_equal(licence->products[0].path_count, 2);
	assert_string_equal(licence->products[0].paths[1], "/x.bin");
	licence_free(licence);
}

static void
test_as_json_it_is_what_came(void **state)
{
	struct licence *licence = read_text(GOOD);
	struct buffer out = {0};

	(void)state;
	licence_print_json(licence, &out);
	assert_prints(&out, GOOD);
	buffer_fini(&out);
	licence_free(licence);
}

static void
test_as_a_table_it_has_a_line_for_each_product(void **state)
{
	struct licence *licence = read_text(LICENCE("\"acme\"",
	    GOOD_PRODUCT "," PRODUCT("\"b\"", "null", "\"2026-02-01\"", "false", "[]")));
	struct buffer out = {0};

	(void)state;
	licence_print(licence, &out);
	assert_prints(&out, "PRODUCT                  FROM       UNTIL      VALID PATHS\n"
	                    "pos                      2026-01-01 -          yes   /pos/ /x.bin\n"
	                    "b                        -          2026-02-01 no   \n");
	buffer_fini(&out);
	licence_free(licence);
}

static void
test_a_customer_without_a_licence_and_unknown_members_are_read(void **state)
{
	(void)state;
	struct licence *none = read_text(LICENCE("\"acme\"", ""));
	assert_int_equal(none->product_count, 0);
	licence_free(none);
	struct licence *more = read_text("{\"new\":{},\"customer\":\"acme\",\"licences\":[]}");
	assert_non_null(more);
	licence_free(more);
}

static void
test_what_the_policy_would_not_allow_is_refused(void **state)
{
#define BAD_PATH(path) \
	LICENCE("\"acme\"", PRODUCT("\"pos\"", "null", "null", "true", "[\"" path "\"]"))
	static const char *const bad[] = {
	    "",
	    "null",
	    "[]",
	    "{}",
	    GOOD GOOD,
	    LICENCE("7", ""),
	    LICENCE("\"\"", ""),
	    LICENCE("\"../a\"", ""),
	    LICENCE("\"\\u001b[2J\"", ""),
	    LICENCE("\"acme\"", "null"),
	    LICENCE("\"acme\"", "{}"),
	    "{\"customer\":\"acme\"}",
	    "{\"customer\":\"acme\",\"licences\":{}}",
	    LICENCE("\"acme\"", PRODUCT("\"a b\"", "null", "null", "true", "[]")),
	    LICENCE("\"acme\"", PRODUCT("\"pos\"", "7", "null", "true", "[]")),
	    LICENCE("\"acme\"", PRODUCT("\"pos\"", "\"soon\"", "null", "true", "[]")),
	    LICENCE("\"acme\"", PRODUCT("\"pos\"", "null", "\"2026-13-01\"", "true", "[]")),
	    LICENCE("\"acme\"", PRODUCT("\"pos\"", "null", "null", "\"yes\"", "[]")),
	    LICENCE("\"acme\"", PRODUCT("\"pos\"", "null", "null", "true", "{}")),
	    LICENCE("\"acme\"", PRODUCT("\"pos\"", "null", "null", "true", "[7]")),
	    LICENCE("\"acme\"", GOOD_PRODUCT ",null"),
	    BAD_PATH(""),
	    BAD_PATH("pos/"),
	    BAD_PATH("/../etc/"),
	    BAD_PATH("/a//b"),
	    BAD_PATH("/a "),
	    BAD_PATH("/%2e/"),
	    BAD_PATH("/\\u001b"),
	    BAD_PATH("/a\\u0000"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_null(read_text(bad[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_good_licence_is_read),
	    cmocka_unit_test(test_as_json_it_is_what_came),
	    cmocka_unit_test(test_as_a_table_it_has_a_line_for_each_product),
	    cmocka_unit_test(test_a_customer_without_a_licence_and_unknown_members_are_read),
	    cmocka_unit_test(test_what_the_policy_would_not_allow_is_refused),
	};
	return cmocka_run_group_tests_name("licence", tests, NULL, NULL);
}
