/*
 * Inventories: what may be in one, how it prints, and what files are read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/common/file.h"
#include "client/snapshot/inventory.h"
#include "client_home.h"

static char *file_name;

/* Reads a file with TEXT for the system web-1. */
static bool
reads(const char *text, struct inventory *inventory, struct failure *failure)
{
	struct buffer content = client_text(text);

	free(file_name);
	file_name = buffer_text("%s/inventory", folder);
	assert_true(file_write(file_name, &content, failure));
	buffer_fini(&content);
	*inventory = (struct inventory){0};
	return inventory_read(inventory, file_name, "web-1", failure);
}

static void
assert_reads_as(const char *text, const char *canonical)
{
	struct inventory inventory;
	struct failure failure;
	struct buffer out = {0};

	if (!reads(text, &inventory, &failure))
		fail_msg("%s", failure.text);
	assert_true(inventory_print(&inventory, "web-1", &out, &failure));
	assert_int_equal(buffer_size(&out), strlen(canonical));
	assert_memory_equal(buffer_bytes(&out), canonical, strlen(canonical));
	buffer_fini(&out);
	inventory_fini(&inventory);
}

/* MESSAGE is what stands behind the file's name. */
static void
assert_refuses(const char *text, const char *message)
{
	struct inventory inventory;
	struct failure failure = {0};

	assert_false(reads(text, &inventory, &failure));
	assert_int_equal(failure.kind, FAILURE_SNAPSHOT);
	assert_memory_equal(failure.text, file_name, strlen(file_name));
	assert_string_equal(failure.text + strlen(file_name), message);
	inventory_fini(&inventory);
}

#define CANONICAL                                                                                  \
	"{\"components\":[{\"name\":\"a\",\"version\":\"2\"},{\"name\":\"b\",\"version\":\"1.0\"}" \
	"],"                                                                                       \
	"\"format\":\"thin-snapshot/1\",\"system\":\"web-1\"}\n"

static void
test_a_list_reads_as_the_canonical_snapshot(void **state)
{
	(void)state;
	assert_reads_as("b 1.0\na 2\n", CANONICAL);
	assert_reads_as("# of today\n\n  b \t 1.0  \na\t2", CANONICAL);
}

static void
test_a_snapshot_reads_as_its_canonical_form(void **state)
{
	(void)state;
	assert_reads_as(CANONICAL, CANONICAL);
	assert_reads_as(
	    " \n{\"system\":\"web-1\", \"format\":\"thin-snapshot/1\", \"components\":"
	    "[{\"version\":\"1.0\",\"name\":\"b\"},{\"name\":\"a\",\"version\":\"2\"}]}",
	    CANONICAL);
	assert_reads_as("{\"components\":[],\"format\":\"thin-snapshot/1\",\"system\":\"web-1\"}",
	    "{\"components\":[],\"format\":\"thin-snapshot/1\",\"system\":\"web-1\"}\n");
}

static void
test_a_line_that_is_no_component_is_refused_with_its_place(void **state)
{
	(void)state;
	assert_refuses("a 2\nb\n", ":2: a line is a name and a version, with blanks between");
	assert_refuses("a 2 # no\n", ":1: a line is a name and a version, with blanks between");
	assert_refuses("", ": names no component");
	assert_refuses("# nothing\n", ": names no component");
}

static void
test_a_snapshot_of_another_form_is_refused(void **state)
{
#define KEYS ": needs the keys format, system and components, and no other"
	(void)state;
	assert_refuses("{}", KEYS);
	assert_refuses(
	    "{\"components\":{},\"format\":\"thin-snapshot/1\",\"system\":\"web-1\"}", KEYS);
	assert_refuses(
	    "{\"components\":[],\"format\":\"thin-snapshot/1\",\"system\":\"web-1\",\"a\":1}",
	    KEYS);
	assert_refuses("{\"components\":[],\"format\":\"thin-snapshot/2\",\"system\":\"web-1\"}",
	    ": the format is not thin-snapshot/1");
	assert_refuses("{\"components\":[],\"format\":\"thin-snapshot/1\",\"system\":\"web-2\"}",
	    ": is the snapshot of web-2, not of web-1");
	assert_refuses("{\"components\":[{\"name\":\"a\"}],\"format\":\"thin-snapshot/"
	               "1\",\"system\":\"web-1\"}",
	    ": components[0]: needs the strings name and version, and nothing else");
}

static void
test_broken_json_is_refused(void **state)
{
	struct inventory inventory;
	struct failure failure = {0};

	(void)state;
	assert_false(reads("{", &inventory, &failure));
	assert_int_equal(failure.kind, FAILURE_SNAPSHOT);
	inventory_fini(&inventory);
}

static void
test_a_component_that_is_there_twice_is_refused_with_both_places(void **state)
{
	struct inventory inventory = {0};
	struct failure failure;

	(void)state;
	assert_true(inventory_add(&inventory, "a", "2", "one", &failure));
	assert_true(inventory_add(&inventory, "b", "1", "two", &failure));
	assert_true(inventory_add(&inventory, "a", "1", "three", &failure));
	assert_false(inventory_sort(&inventory, &failure));
	assert_string_equal(failure.text, "a is there twice, as 1 in three and as 2 in one");
	inventory_fini(&inventory);
}

static void
test_names_and_versions_that_no_snapshot_may_have_are_refused(void **state)
{
	static const char *const bad[] = {
	    "", "a b", "\"", "\\", "a\n", "\x7f", "\xc3\xa9", "a{", "a'"};
	struct inventory inventory = {0};
	struct failure failure;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_false(inventory_is_name(bad[i]));
		assert_false(inventory_add(&inventory, bad[i], "1", "here", &failure));
		assert_false(inventory_add(&inventory, "a", bad[i], "here", &failure));
		assert_int_equal(failure.kind, FAILURE_SNAPSHOT);
	}
	assert_int_equal(inventory.count, 0);
	inventory_fini(&inventory);
}

static void
test_more_components_than_a_snapshot_has_do_not_print(void **state)
{
	struct inventory inventory = {0};
	struct failure failure;
	struct buffer out = {0};
	char name[16];

	(void)state;
	for (int i = 0; i <= INVENTORY_MAX_COMPONENTS; i++) {
		snprintf(name, sizeof name, "n%05d", i);
		assert_true(inventory_add(&inventory, name, "1", "here", &failure));
	}
	assert_false(inventory_print(&inventory, "web-1", &out, &failure));
	assert_int_equal(failure.kind, FAILURE_SNAPSHOT);
	buffer_fini(&out);
	inventory_fini(&inventory);
}

static int
forget_name(void **state)
{
	(void)state;
	free(file_name);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
	        test_a_list_reads_as_the_canonical_snapshot, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_a_snapshot_reads_as_its_canonical_form, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_a_line_that_is_no_component_is_refused_with_its_place, make_folder,
	        remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_a_snapshot_of_another_form_is_refused, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_broken_json_is_refused, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_a_component_that_is_there_twice_is_refused_with_both_places, make_folder,
	        remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_names_and_versions_that_no_snapshot_may_have_are_refused, make_folder,
	        remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_more_components_than_a_snapshot_has_do_not_print, make_folder, remove_folder),
	};
	return cmocka_run_group_tests_name("inventory", tests, NULL, forget_name);
}
