/*
 * Which version is fetched: what was withdrawn is never brought, and nothing goes back by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/fetch/fetch_choice.h"
#include "client_fixture.h"

/* What comes of VERSION (NULL: the newest) where OLD (NULL: nothing) is installed and the index
 * names 9.1, 10.3 and 10.10. */
static enum fetch_choice
choose(const char *version, const char *old, const char **chosen, struct failure *failure)
{
	char *names[] = {"9.1", "10.3", "10.10"};
	char product[] = "pos", installed[16] = "";
	const struct index index = {
	    .product = product, .serial = 7, .versions = names, .version_count = 3};
	const struct catalogue catalogue = {.product = product, .version = installed};

	snprintf(installed, sizeof installed, "%s", old != NULL ? old : "");
	*chosen = version;
	return fetch_choice_make(&index, chosen, old != NULL ? &catalogue : NULL, failure);
}

static void
assert_brings(const char *version, const char *old, const char *expected)
{
	struct failure failure = {0};
	const char *chosen;

	assert_int_equal(choose(version, old, &chosen, &failure), FETCH_CHOICE_BRING);
	assert_string_equal(chosen, expected);
}

static void
test_the_newest_version_is_the_last_that_the_index_names(void **state)
{
	(void)state;
	assert_brings(NULL, NULL, "10.10");
	assert_brings(NULL, "9.1", "10.10");
	assert_brings(NULL, "10.10", "10.10");
	assert_brings(NULL, "10.10.0", "10.10"); /* the same version in another spelling */
	assert_brings(NULL, "10.4", "10.10");    /* withdrawn, and there is a newer one */
}

static void
test_a_version_that_is_named_comes_also_when_it_is_older(void **state)
{
	(void)state;
	assert_brings("10.3", NULL, "10.3");
	assert_brings("9.1", "10.10", "9.1");
	assert_brings("10.3", "11", "10.3");
}

static void
test_what_is_installed_and_withdrawn_stays(void **state)
{
	struct failure failure = {0};
	const char *chosen;

	(void)state;
	assert_int_equal(choose(NULL, "11", &chosen, &failure), FETCH_CHOICE_KEEP);
	assert_int_equal(choose("11", "11", &chosen, &failure), FETCH_CHOICE_KEEP);
	assert_int_equal(choose("10.4", "10.4", &chosen, &failure), FETCH_CHOICE_KEEP);
}

static void
test_what_was_withdrawn_is_refused_and_the_newest_named(void **state)
{
	static const char *const installed[] = {NULL, "9.1", "10.10", "12"};
	struct failure failure = {0};
	const char *chosen;

	(void)state;
	for (size_t i = 0; i < sizeof installed / sizeof *installed; i++) {
		assert_int_equal(
		    choose("11", installed[i], &chosen, &failure), FETCH_CHOICE_REFUSE);
		assert_int_equal(failure.kind, FAILURE_NOT_FOUND);
		assert_non_null(strstr(failure.text, "11 of pos was withdrawn"));
		assert_non_null(strstr(failure.text, "10.10 is the newest"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_newest_version_is_the_last_that_the_index_names),
	    cmocka_unit_test(test_a_version_that_is_named_comes_also_when_it_is_older),
	    cmocka_unit_test(test_what_is_installed_and_withdrawn_stays),
	    cmocka_unit_test(test_what_was_withdrawn_is_refused_and_the_newest_named),
	};
	return cmocka_run_group_tests_name("fetch_choice", tests, NULL, NULL);
}
