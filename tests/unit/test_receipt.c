/*
 * Receipts: only one for what was sent ends its wait.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/snapshot/receipt.h"
#include "client_fixture.h"

#define SHA256 "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define GOOD_NAME "\"name\":\"web-1\","
#define GOOD_SHA256 "\"sha256\":\"" SHA256 "\","
#define GOOD_BYTES "\"bytes\":77,"
#define PATH(customer, system) "\"path\":\"/snapshots/" customer "/" system "/" SHA256 ".json\""
#define GOOD_REST "\"customer\":\"acme\"," PATH("acme", "web-1")

static bool
fits(const char *text)
{
	struct failure failure = {0};
	struct buffer buffer = client_text(text);
	bool result = receipt_check(&buffer, "web-1", SHA256, 77, &failure);

	assert_int_equal(failure.kind, result ? FAILURE_NONE : FAILURE_ANSWER);
	buffer_fini(&buffer);
	return result;
}

static void
test_a_receipt_for_what_was_sent_fits(void **state)
{
	(void)state;
	assert_true(fits("{" GOOD_NAME GOOD_SHA256 GOOD_BYTES GOOD_REST "}"));
	assert_true(fits("{" GOOD_NAME GOOD_SHA256 GOOD_BYTES GOOD_REST ",\"more\":[]}"));
}

static void
test_a_receipt_for_anything_else_does_not(void **state)
{
	(void)state;
	assert_false(fits("{\"name\":\"web-2\"," GOOD_SHA256 GOOD_BYTES GOOD_REST "}"));
	assert_false(fits("{" GOOD_NAME "\"sha256\":\"00\"," GOOD_BYTES GOOD_REST "}"));
	assert_false(fits("{" GOOD_NAME GOOD_SHA256 "\"bytes\":78," GOOD_REST "}"));
	assert_false(fits("{" GOOD_NAME GOOD_SHA256 "\"bytes\":77.0," GOOD_REST "}"));
	assert_false(fits("{" GOOD_NAME GOOD_SHA256 "\"bytes\":\"77\"," GOOD_REST "}"));
	assert_false(fits("{" GOOD_NAME GOOD_SHA256 GOOD_BYTES
	                  "\"customer\":\"acme\"," PATH("globex", "web-1") "}"));
	assert_false(fits("{" GOOD_NAME GOOD_SHA256 GOOD_BYTES
	                  "\"customer\":\"acme\"," PATH("acme", "web-2") "}"));
	assert_false(fits("{" GOOD_NAME GOOD_SHA256 GOOD_BYTES
	                  "\"customer\":\"../a\"," PATH("../a", "web-1") "}"));
}

static void
test_a_receipt_that_lacks_anything_does_not(void **state)
{
	(void)state;
	assert_false(fits("{" GOOD_SHA256 GOOD_BYTES GOOD_REST "}"));
	assert_false(fits("{" GOOD_NAME GOOD_BYTES GOOD_REST "}"));
	assert_false(fits("{" GOOD_NAME GOOD_SHA256 GOOD_REST "}"));
	assert_false(fits("{" GOOD_NAME GOOD_SHA256 GOOD_BYTES PATH("acme", "web-1") "}"));
	assert_false(fits("{" GOOD_NAME GOOD_SHA256 GOOD_BYTES "\"customer\":\"acme\"}"));
}

static void
test_what_is_no_json_object_is_no_receipt(void **state)
{
	(void)state;
	assert_false(fits(""));
	assert_false(fits("null"));
	assert_false(fits("[]"));
	assert_false(fits("{" GOOD_NAME GOOD_SHA256 GOOD_BYTES GOOD_REST));
	assert_false(fits("{" GOOD_NAME GOOD_SHA256 GOOD_BYTES GOOD_BYTES GOOD_REST "}"));
	assert_false(fits("{" GOOD_NAME GOOD_SHA256 GOOD_BYTES GOOD_REST "} {}"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_receipt_for_what_was_sent_fits),
	    cmocka_unit_test(test_a_receipt_for_anything_else_does_not),
	    cmocka_unit_test(test_a_receipt_that_lacks_anything_does_not),
	    cmocka_unit_test(test_what_is_no_json_object_is_no_receipt),
	};
	return cmocka_run_group_tests_name("receipt", tests, NULL, NULL);
}
