/*
 * Catalogues: what is read prints as the same bytes, and nothing else is read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "catalogue/catalogue.h"

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

#define RICH_HEAD                                                                     \
	"{\"format\":\"catalogue/2\",\"product\":\"step-core\",\"version\":\"10.3\"," \
	"\"expires\":\"2027-12-31\",\"files\":["
#define RICH_FILE(path, more)                                                            \
	"\n{\"path\":\"" path "\",\"size\":0,\"sha1\":\"" SHA1 "\",\"sha256\":\"" SHA256 \
	"\",\"mtime\":1" more "}"
#define CONFIG ",\"config\":true"

static void
test_the_mark_of_configuration_is_kept(void **state)
{
	char defect[CATALOGUE_DEFECT_MAX];
	(void)state;

	assert_prints_as(RICH_HEAD RICH_FILE("a", CONFIG) TAIL);
	assert_prints_as(RICH_HEAD RICH_FILE("a", ",\"executable\":true" CONFIG) TAIL);
	assert_refused(RICH_HEAD RICH_FILE("a", CONFIG ",\"executable\":true") TAIL, "one form");
	assert_refused(RICH_HEAD RICH_FILE("a", ",\"config\":false") TAIL, "one form");
	assert_refused(
	    HEAD "\n{\"path\":\"a\",\"size\":0,\"sha1\":\"" SHA1 "\"" CONFIG "}" TAIL, "one form");
	struct catalogue *a = read_text(RICH_HEAD RICH_FILE("a", CONFIG) TAIL, defect);
	struct catalogue *b = read_text(RICH_HEAD RICH_FILE("a", "") TAIL, defect);
	assert_true(a->files[0].config && !b->files[0].config);
	assert_false(catalogue_is_same(&a->files[0], &b->files[0]));
	catalogue_free(a);
	catalogue_free(b);
}

static void
test_nothing_is_where_the_next_version_of_configuration_goes(void **state)
{
	(void)state;

	assert_prints_as(RICH_HEAD RICH_FILE("a", "") "," RICH_FILE("a.new", CONFIG) TAIL);
	assert_refused(
	    RICH_HEAD RICH_FILE("a", CONFIG) "," RICH_FILE("a.new", "") TAIL, "names a.new");
	assert_refused(
	    RICH_HEAD RICH_FILE("a", CONFIG) "," RICH_FILE("a.NEW/b", "") TAIL, "names a.");
	assert_refused(RICH_HEAD RICH_FILE("A.new", "") "," RICH_FILE("a", CONFIG) TAIL, "names ");
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
test_a_file_may_have_any_size(void **state)
{
	(void)state;
	assert_prints_as(HEAD "\n{\"path\":\"a\",\"size\":4294967297,\"sha1\":\"" SHA1
	                      "\",\"sha256\":\"" SHA256 "\"}" TAIL);
	assert_prints_as(HEAD "\n{\"path\":\"a\",\"size\":9223372036854775807,\"sha1\":\"" SHA1
	                      "\",\"sha256\":\"" SHA256 "\"}" TAIL);
	assert_refused(HEAD "\n{\"path\":\"a\",\"size\":-1,\"sha1\":\"" SHA1
	                    "\",\"sha256\":\"" SHA256 "\"}" TAIL,
	    "catalogue");
}

static void
test_a_name_may_have_255_bytes(void **state)
{
	char name[256], text[1000];

	(void)state;
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	(void)snprintf(text, sizeof text,
	    HEAD "\n{\"path\":\"%s/%s\",\"size\":0,\"sha1\":\"" SHA1 "\",\"sha256\":\"" SHA256
	         "\"}" TAIL,
	    name, name);
	assert_prints_as(text);
}

static void
test_as_many_files_as_there_may_be_are_read_and_no_more(void **state)
{
	(void)state;
	for (int more = 0; more < 2; more++) {
		char defect[CATALOGUE_DEFECT_MAX] = "";
		struct buffer text = {0};

		buffer_append(&text, HEAD, strlen(HEAD));
		for (int i = 0; i < CATALOGUE_MAX_FILES + more; i++)
			buffer_printf(&text,
			    "%s\n{\"path\":\"%06d\",\"size\":0,\"sha1\":\"" SHA1
			    "\",\"sha256\":\"" SHA256 "\"}",
			    i > 0 ? "," : "", i);
		buffer_append(&text, TAIL, strlen(TAIL));
		struct catalogue *catalogue = catalogue_read(&text, defect);
		assert_int_equal(catalogue != NULL, more == 0);
		if (catalogue != NULL)
			assert_int_equal(catalogue->file_count, CATALOGUE_MAX_FILES);
		catalogue_free(catalogue);
		buffer_fini(&text);
	}
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
	    cmocka_unit_test(test_the_mark_of_configuration_is_kept),
	    cmocka_unit_test(test_nothing_is_where_the_next_version_of_configuration_goes),
	    cmocka_unit_test(test_a_file_may_have_any_size),
	    cmocka_unit_test(test_a_name_may_have_255_bytes),
	    cmocka_unit_test(test_as_many_files_as_there_may_be_are_read_and_no_more),
	    cmocka_unit_test(test_the_last_day_counts_to_its_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
