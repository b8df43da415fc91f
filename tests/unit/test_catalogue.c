/*
 * Catalogues: what is read prints as the same bytes, and nothing else is read; versions in order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../policy/catalogue.h"

#define SHA1 "da39a3ee5e6b4b0d3255bfef95601890afd80709"
#define SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HEAD                                                                          \
	"{\"format\":\"catalogue/1\",\"product\":\"step-core\",\"version\":\"10.3\"," \
	"\"expires\":\"2027-12-31\",\"files\":["
#define FILE_OF(path) \
	"\n{\"path\":\"" path "\",\"size\":0,\"sha1\":\"" SHA1 "\",\"sha256\":\"" SHA256 "\"}"
#define TAIL "\n]}\n"

static struct catalogue *
read_text(const char *text, char defect[CATALOGUE_DEFECT_MAX])
{
	struct buffer bytes = {0};

	buffer_append(&bytes, text, strlen(text));
	struct catalogue *catalogue = catalogue_read(&bytes, defect);
	buffer_fini(&bytes);
	return catalogue;
}

static void
assert_prints_as(const char *text)
{
	char defect[CATALOGUE_DEFECT_MAX] = "";
	struct buffer out = {0};
	struct catalogue *catalogue = read_text(text, defect);

	assert_string_equal(defect, "");
	assert_non_null(catalogue);
	catalogue_print(catalogue, &out);
	assert_int_equal(buffer_size(&out), strlen(text));
	assert_memory_equal(buffer_bytes(&out), text, strlen(text));
	buffer_fini(&out);
	catalogue_free(catalogue);
}

static void
assert_refused(const char *text, const char *expected)
{
	char defect[CATALOGUE_DEFECT_MAX] = "";

	assert_null(read_text(text, defect));
	assert_non_null(strstr(defect, expected));
}

static void
test_a_catalogue_prints_as_it_was_read(void **state)
{
	(void)state;
	assert_prints_as(HEAD TAIL);
	assert_prints_as(HEAD FILE_OF("a") TAIL);
	assert_prints_as(HEAD FILE_OF("a") "," FILE_OF("b/c.zip") TAIL);
}

static void
test_a_file_may_have_sha1_alone(void **state)
{
	char defect[CATALOGUE_DEFECT_MAX];

	(void)state;
	assert_prints_as(HEAD "\n{\"path\":\"a\",\"size\":1,\"sha1\":\"" SHA1 "\"}" TAIL);
	struct catalogue *catalogue =
	    read_text(HEAD "\n{\"path\":\"a\",\"size\":1,\"sha1\":\"" SHA1 "\"}" TAIL, defect);
	assert_non_null(catalogue);
	assert_string_equal(catalogue->files[0].digest.sha256, "");
	catalogue_free(catalogue);
	assert_refused(HEAD "\n{\"path\":\"a\",\"size\":1}" TAIL, "is not a catalogue");
	assert_refused(HEAD "\n{\"path\":\"a\",\"size\":1,\"sha1\":\"" SHA1
	                    "\",\"sha256\":\"\"}" TAIL,
	    "is not a catalogue");
	assert_refused(HEAD "\n{\"path\":\"a\",\"size\":1,\"sha1\":\"" SHA1
	                    "\",\"sha256\":null}" TAIL,
	    "is not a catalogue");
	assert_refused(HEAD "\n{\"path\":\"a\",\"size\":1,\"sha256\":\"" SHA256 "\"}" TAIL,
	    "is not a catalogue");
}

static void
test_another_spelling_is_refused(void **state)
{
	(void)state;
	assert_refused("", "is not a catalogue");
	assert_refused("[]", "is not a catalogue");
	assert_refused(HEAD FILE_OF("a"), "is not a catalogue");
	assert_refused(HEAD FILE_OF("a") "]}", "one form");
	assert_refused(HEAD FILE_OF("a") TAIL " ", "one form");
	assert_refused(HEAD FILE_OF("b") "," FILE_OF("a") TAIL, "one form");
	assert_refused(HEAD FILE_OF("a") " ," FILE_OF("b") TAIL, "one form");
	assert_refused(HEAD FILE_OF("\\u0061") TAIL, "one form");
}

static void
test_paths_that_could_lead_elsewhere_are_refused(void **state)
{
	(void)state;
	assert_refused(HEAD FILE_OF("../a") TAIL, "is not a catalogue");
	assert_refused(HEAD FILE_OF("/a") TAIL, "is not a catalogue");
	assert_refused(HEAD FILE_OF("a/../b") TAIL, "is not a catalogue");
	assert_refused(HEAD FILE_OF("a//b") TAIL, "is not a catalogue");
	assert_refused(HEAD FILE_OF("a/") TAIL, "is not a catalogue");
	assert_refused(HEAD FILE_OF("") TAIL, "is not a catalogue");
	assert_refused(HEAD FILE_OF("a\\u0000") TAIL, "is not a catalogue");
	assert_refused(HEAD FILE_OF("catalogue.json") TAIL, "is not a catalogue");
	assert_refused(HEAD FILE_OF(".spot.part") TAIL, "is not a catalogue");
	assert_refused(HEAD FILE_OF(".spot.part.json") TAIL, "is not a catalogue");
	assert_refused(HEAD FILE_OF(".Spot.part") TAIL, "is not a catalogue");
	assert_refused(HEAD FILE_OF("Catalogue.json") TAIL, "is not a catalogue");
	assert_refused(HEAD FILE_OF("catalogue.json/a") TAIL, "is not a catalogue");
	assert_refused(HEAD FILE_OF("catalogue.json.P7S/a/b") TAIL, "is not a catalogue");
}

static void
test_names_that_clash_are_refused(void **state)
{
	(void)state;
	assert_refused(HEAD FILE_OF("a") "," FILE_OF("a") TAIL, "names a:");
	assert_refused(HEAD FILE_OF("A") "," FILE_OF("a") TAIL, "another file has that name");
	assert_refused(HEAD FILE_OF("a") "," FILE_OF("a/b") TAIL, "names a/b:");
	assert_refused(HEAD FILE_OF("B/x") "," FILE_OF("b/y") TAIL, "another file has that name");
}

static void
test_versions_are_compared_number_by_number(void **state)
{
	(void)state;
	assert_true(catalogue_compare_versions("10.9", "10.10") < 0);
	assert_true(catalogue_compare_versions("10.10", "10.9") > 0);
	assert_true(catalogue_compare_versions("2", "10") < 0);
	assert_true(catalogue_compare_versions("1.0.1", "1") > 0);
	assert_int_equal(catalogue_compare_versions("1.0", "1"), 0);
	assert_int_equal(catalogue_compare_versions("999999999", "999999999"), 0);
}

static void
test_versions_have_one_form(void **state)
{
	(void)state;
	assert_true(catalogue_is_version("0"));
	assert_true(catalogue_is_version("1.2.3.4.5.6"));
	assert_false(catalogue_is_version("1.2.3.4.5.6.7"));
	assert_false(catalogue_is_version(""));
	assert_false(catalogue_is_version("1."));
	assert_false(catalogue_is_version(".1"));
	assert_false(catalogue_is_version("01"));
	assert_false(catalogue_is_version("1000000000"));
	assert_false(catalogue_is_version("1.0-rc1"));
	assert_false(catalogue_is_version(".."));
}

static void
test_the_last_day_counts_to_its_end(void **state)
{
	char defect[CATALOGUE_DEFECT_MAX];
	const time_t end = 1830297600; /* 2028-01-01T00:00:00Z */
	struct catalogue *catalogue = read_text(HEAD TAIL, defect);

	(void)state;
	assert_non_null(catalogue);
	assert_true(catalogue_is_current(catalogue, end - 1));
	assert_false(catalogue_is_current(catalogue, end));
	catalogue_free(catalogue);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_catalogue_prints_as_it_was_read),
	    cmocka_unit_test(test_a_file_may_have_sha1_alone),
	    cmocka_unit_test(test_another_spelling_is_refused),
	    cmocka_unit_test(test_paths_that_could_lead_elsewhere_are_refused),
	    cmocka_unit_test(test_names_that_clash_are_refused),
	    cmocka_unit_test(test_versions_are_compared_number_by_number),
	    cmocka_unit_test(test_versions_have_one_form),
	    cmocka_unit_test(test_the_last_day_counts_to_its_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
