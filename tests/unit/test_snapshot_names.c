/*
 * Names and versions in a snapshot: their classes of characters, and how long they may be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "snapshot_fixture.h"

static void
assert_system(const char *system, int accepted)
{
	char text[1024];

	snprintf(text, sizeof text,
	    "{\"format\":\"thin-snapshot/1\",\"system\":\"%s\",\"components\":[]}", system);
	if (accepted)
		assert_accepted(text);
	else
		assert_refused(text, "\"system\" of the snapshot is too long or has a character "
		                     "that is not allowed");
}

static void
test_the_system_name_has_its_class_and_length(void **state)
{
	char *longest = make_filled("a", 'b', 127, ""), *too_long = make_filled("a", 'b', 128, "");

	(void)state;
	assert_system("A", 1);
	assert_system("9a.b_c-D", 1);
	assert_system(longest, 1);
	assert_system(too_long, 0);
	assert_system("", 0);
	assert_system(".a", 0);
	assert_system("-a", 0);
	assert_system("..", 0);
	assert_system("a/b", 0);
	assert_system("a b", 0);
	assert_system("a\\n", 0);
	assert_system("a\\\"", 0);
	assert_system("caf\xc3\xa9", 0);
	free(longest);
	free(too_long);
}

static void
assert_component(const char *name, const char *version, const char *wrong)
{
	char text[1024], defect[SNAPSHOT_DEFECT_MAX];

	snprintf(
	    text, sizeof text, HEAD "{\"name\":\"%s\",\"version\":\"%s\"}" TAIL, name, version);
	if (wrong == NULL) {
		assert_accepted(text);
		return;
	}
	snprintf(defect, sizeof defect,
	    "\"%s\" of components[0] is too long or has a character that is not allowed", wrong);
	assert_refused(text, defect);
}

static void
test_component_names_have_their_class_and_length(void **state)
{
	char *longest = make_filled("", 'n', 128, ""), *too_long = make_filled("", 'n', 129, "");

	(void)state;
	assert_component("step-core_2.x", "1", NULL);
	assert_component(longest, "1", NULL);
	assert_component(too_long, "1", "name");
	assert_component("", "1", "name");
	assert_component("_a", "1", "name");
	assert_component("libc6:amd64", "1", NULL);
	assert_component("@scope/core", "1", NULL);
	assert_component("org.example:core/x@y", "1", NULL);
	assert_component("libstdc++6", "1", NULL);
	assert_component("g++", "1", NULL);
	assert_component("a+b", "1", "name");
	assert_component("UEsDBBQA/xq+/w", "1", "name");
	assert_component("/a", "1", "name");
	assert_component("a/", "1", "name");
	assert_component("a//b", "1", "name");
	assert_component("a/../b", "1", "name");
	assert_component("@", "1", "name");
	assert_component("@/a", "1", "name");
	assert_component(":a", "1", "name");
	assert_component("a\\u00e9", "1", "name");
	free(longest);
	free(too_long);
}

static void
test_versions_have_their_class_and_length(void **state)
{
	char *longest = make_filled("", '1', 64, ""), *too_long = make_filled("", '1', 65, "");

	(void)state;
	assert_component("a", "10.3.1+git~rc1_x-2", NULL);
	assert_component("a", "v1", NULL);
	assert_component("a", longest, NULL);
	assert_component("a", too_long, "version");
	assert_component("a", "", "version");
	assert_component("a", ".1", "version");
	assert_component("a", "~1", "version");
	assert_component("a", "1:2.40-2", NULL);
	assert_component("a", ":1", "version");
	assert_component("a", "1@2", "version");
	assert_component("a", "1/2", "version");
	assert_component("a", "1 2", "version");
	assert_component("a", "<b>", "version");
	free(longest);
	free(too_long);
}

static void
test_every_byte_outside_the_version_class_is_refused(void **state)
{
	static const char class[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                            ".+~_:-";

	(void)state;
	for (int c = 1; c < 0x80; c++) {
		char version[16];

		snprintf(version, sizeof version, "1\\u%04x", (unsigned)c);
		assert_component("a", version, strchr(class, c) != NULL ? NULL : "version");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_system_name_has_its_class_and_length),
	    cmocka_unit_test(test_component_names_have_their_class_and_length),
	    cmocka_unit_test(test_versions_have_their_class_and_length),
	    cmocka_unit_test(test_every_byte_outside_the_version_class_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
