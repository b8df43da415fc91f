/*
 * The thin snapshot: what is accepted is written anew in one form, all else is refused with a
 * sentence that never repeats what the client may have hidden in it.
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
assert_canonical_of(const char *text, size_t len, const char *canonical)
{
	char defect[SNAPSHOT_DEFECT_MAX] = "";
	struct snapshot snapshot;

	if (snapshot_canonicalise(text, len, &design_limits, &snapshot, defect) != 0)
		fail_msg("refused: %s", defect);
	assert_string_equal(snapshot.text, canonical);
	assert_int_equal(snapshot.len, strlen(canonical));
	snapshot_fini(&snapshot);
	assert_null(snapshot.text);
}

static void
assert_canonical(const char *text, const char *canonical)
{
	assert_canonical_of(text, strlen(text), canonical);
}

/* A snapshot of COUNT components c0, c1, ...; the caller frees it. */
static char *
make_snapshot(size_t count)
{
	size_t size = 128 + count * 40, len;
	char *text = malloc(size);

	assert_non_null(text);
	len = (size_t)snprintf(text, size, HEAD);
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, size - len,
		    "%s{\"name\":\"c%zu\",\"version\":\"1\"}", i == 0 ? "" : ",", i);
	snprintf(text + len, size - len, TAIL);
	return text;
}

static void
test_the_canonical_text_has_sorted_components_and_no_white_space(void **state)
{
	(void)state;
	assert_canonical(" {\n\t\"system\" : \"prod-1\", \"components\": [\r\n"
	                 "{\"version\":\"10.3.1\",\"name\":\"step-core\"},\n"
	                 "{\"name\":\"a\",\"version\":\"1+b~2_c-d\"} ],\n"
	                 "\"format\":\"thin-snapshot/1\"}\n\n",
	    "{\"components\":[{\"name\":\"a\",\"version\":\"1+b~2_c-d\"},"
	    "{\"name\":\"step-core\",\"version\":\"10.3.1\"}],"
	    "\"format\":\"thin-snapshot/1\",\"system\":\"prod-1\"}\n");
}

static void
test_names_sort_by_byte_not_by_letter(void **state)
{
	(void)state;
	assert_canonical(HEAD
	    "{\"name\":\"a\",\"version\":\"1\"},{\"name\":\"B\",\"version\":\"2\"},"
	    "{\"name\":\"a.b\",\"version\":\"3\"},{\"name\":\"a-b\",\"version\":\"4\"},"
	    "{\"name\":\"9\",\"version\":\"5\"}" TAIL,
	    "{\"components\":[{\"name\":\"9\",\"version\":\"5\"},{\"name\":\"B\",\"version\":\"2\"}"
	    ","
	    "{\"name\":\"a\",\"version\":\"1\"},{\"name\":\"a-b\",\"version\":\"4\"},"
	    "{\"name\":\"a.b\",\"version\":\"3\"}],"
	    "\"format\":\"thin-snapshot/1\",\"system\":\"prod-1\"}\n");
}

static void
test_escapes_leave_no_trace(void **state)
{
	(void)state;
	assert_canonical("{\"for\\u006dat\":\"thin-snapshot\\/1\",\"system\":\"\\u0070rod-1\","
	                 "\"components\":[]}",
	    "{\"components\":[],\"format\":\"thin-snapshot/1\",\"system\":\"prod-1\"}\n");
}

static void
test_a_fresh_installation_has_no_components(void **state)
{
	(void)state;
	assert_canonical(HEAD TAIL,
	    "{\"components\":[],\"format\":\"thin-snapshot/1\",\"system\":\"prod-1\"}\n");
}

static void
test_the_canonical_text_is_its_own_canonical_text(void **state)
{
	char *text = make_snapshot(100), defect[SNAPSHOT_DEFECT_MAX];
	struct snapshot first, second;

	(void)state;
	assert_int_equal(
	    snapshot_canonicalise(text, strlen(text), &design_limits, &first, defect), 0);
	assert_int_equal(
	    snapshot_canonicalise(first.text, first.len, &design_limits, &second, defect), 0);
	assert_string_equal(first.text, second.text);
	assert_string_equal(first.sha256, second.sha256);
	assert_int_equal(first.components, 100);
	assert_int_equal(second.components, 100);
	snapshot_fini(&first);
	snapshot_fini(&second);
	free(text);
}

static void
test_the_digest_is_that_of_the_canonical_text(void **state)
{
	char defect[SNAPSHOT_DEFECT_MAX];
	struct snapshot snapshot;

	(void)state;
	assert_int_equal(
	    snapshot_canonicalise(HEAD TAIL, strlen(HEAD TAIL), &design_limits, &snapshot, defect),
	    0);
	/* printf '{"components":[],"format":"thin-snapshot/1","system":"prod-1"}\n' | sha256sum */
	assert_string_equal(
	    snapshot.sha256, "a9115374ac252a9f061f6cbc203b6f09571c53e8cd3618ce514e4516c0a5eb92");
	snapshot_fini(&snapshot);
}

static void
test_the_text_must_be_one_json_value(void **state)
{
	(void)state;
	assert_refused("", "the snapshot is empty");
	assert_refused("{", "the text ends too early at line 1, column ");
	assert_refused("nonsense", "the text is not valid JSON at line 1, column ");
	assert_refused(
	    HEAD TAIL "\n{}", "something follows the end of the snapshot at line 2, column ");
	assert_refused(
	    HEAD TAIL "x", "something follows the end of the snapshot at line 1, column ");
	assert_refused("{'format':1}", "the text is not valid JSON at line 1, column ");
	assert_refused(HEAD "," TAIL, "the text is not valid JSON at line 1, column ");
	assert_refused("\xef\xbb\xbf" HEAD TAIL, "the text begins with a byte order mark");
	assert_refused("{\"a\":1e999}", "a number is out of range at line 1, column ");
}

static void
test_bytes_that_are_no_text_are_refused(void **state)
{
	static const char nul[] = HEAD TAIL "\0";

	(void)state;
	assert_refused("{\"\xff\":1}", "the text is not valid UTF-8 at line 1, column ");
	assert_refused("{\"\xc0\xaf\":1}", "the text is not valid UTF-8 at line 1, column ");
	assert_refused("{\"\xed\xa0\x80\":1}", "the text is not valid UTF-8 at line 1, column ");
	assert_refused("{\"a\\u0000b\":1}", "a string holds a NUL at line 1, column ");
	assert_refused("{\"a\":\"x\\u0000\"}", "a string holds a NUL at line 1, column ");
	assert_refused_bytes(
	    nul, sizeof nul - 1, "something follows the end of the snapshot at line 1, column ");
	assert_refused("{\"a\":\"\\ud800\"}", "the text is not valid JSON at line 1, column ");
}

static void
test_only_an_object_is_a_snapshot(void **state)
{
	(void)state;
	assert_refused("[]", "the snapshot is not an object");
	assert_refused("{}", "the snapshot has no key \"components\"");
}

static void
test_each_key_is_needed(void **state)
{
	(void)state;
	assert_refused(
	    "{\"system\":\"a\",\"components\":[]}", "the snapshot has no key \"format\"");
	assert_refused("{\"format\":\"thin-snapshot/1\",\"components\":[]}",
	    "the snapshot has no key \"system\"");
	assert_refused("{\"format\":\"thin-snapshot/1\",\"system\":\"a\"}",
	    "the snapshot has no key \"components\"");
	assert_refused(HEAD "{\"name\":\"a\"}" TAIL, "components[0] has no key \"version\"");
	assert_refused(HEAD "{\"name\":\"a\",\"version\":\"1\"},{\"version\":\"1\"}" TAIL,
	    "components[1] has no key \"name\"");
}

static void
test_a_repeated_key_is_refused(void **state)
{
	(void)state;
	assert_refused(
	    "{\"system\":\"a\",\"system\":\"a\"}", "a key is repeated at line 1, column ");
	assert_refused(HEAD "{\"name\":\"a\",\"name\":\"b\",\"version\":\"1\"}" TAIL,
	    "a key is repeated at line 1, column ");
	/* The same key in other words. */
	assert_refused(
	    "{\"system\":\"a\",\"s\\u0079stem\":\"b\"}", "a key is repeated at line 1, column ");
}

static void
test_an_unknown_key_is_named_only_when_it_is_harmless(void **state)
{
	(void)state;
	assert_refused(
	    "{\"payload\":\"MZ\",\"format\":1}", "the snapshot has an unknown key \"payload\"");
	assert_refused("{\"\":1}", "the snapshot has an unknown key");
	assert_refused("{\"a b\":1}", "the snapshot has an unknown key");
	assert_refused("{\"\\u001b[31m\":1}", "the snapshot has an unknown key");
	assert_refused("{\"caf\xc3\xa9\":1}", "the snapshot has an unknown key");
	assert_refused("{\"a\\\"b\":1}", "the snapshot has an unknown key");
	assert_refused("{\"12345678901234567890123456789012\":1}",
	    "the snapshot has an unknown key \"12345678901234567890123456789012\"");
	assert_refused(
	    "{\"123456789012345678901234567890123\":1}", "the snapshot has an unknown key");
	assert_refused(HEAD "{\"name\":\"a\",\"version\":\"1\",\"body\":\"x\"}" TAIL,
	    "components[0] has an unknown key \"body\"");
}

static void
test_each_value_has_its_kind(void **state)
{
	(void)state;
	assert_refused("{\"format\":1,\"system\":\"a\",\"components\":[]}",
	    "\"format\" of the snapshot is not \"thin-snapshot/1\"");
	assert_refused("{\"format\":\"thin-snapshot/2\",\"system\":\"a\",\"components\":[]}",
	    "\"format\" of the snapshot is not \"thin-snapshot/1\"");
	assert_refused("{\"format\":\"thin-snapshot/1\",\"system\":null,\"components\":[]}",
	    "\"system\" of the snapshot is not a string");
	assert_refused("{\"format\":\"thin-snapshot/1\",\"system\":\"a\",\"components\":{}}",
	    "\"components\" of the snapshot is not a list");
	assert_refused(HEAD "\"a\"" TAIL, "components[0] is not an object");
	assert_refused(HEAD "{\"name\":1,\"version\":\"1\"}" TAIL,
	    "\"name\" of components[0] is not a string");
	assert_refused(HEAD "{\"name\":\"a\",\"version\":1.5}" TAIL,
	    "\"version\" of components[0] is not a string");
}

static void
test_a_repeated_component_name_is_refused_with_both_places(void **state)
{
	(void)state;
	assert_refused(HEAD "{\"name\":\"a\",\"version\":\"1\"},{\"name\":\"b\",\"version\":\"1\"},"
	                    "{\"name\":\"a\",\"version\":\"2\"}" TAIL,
	    "components[0] and components[2] have the same name");
}

static void
test_the_number_of_components_is_limited(void **state)
{
	const struct snapshot_limits limits = {SNAPSHOT_MAX_BYTES, 10};
	char *ten = make_snapshot(10), *eleven = make_snapshot(11);
	char defect[SNAPSHOT_DEFECT_MAX];
	struct snapshot snapshot;

	(void)state;
	assert_int_equal(snapshot_canonicalise(ten, strlen(ten), &limits, &snapshot, defect), 0);
	assert_int_equal(snapshot.components, 10);
	snapshot_fini(&snapshot);
	assert_refused_with(eleven, strlen(eleven), &limits, "there are more than 10 components");
	assert_refused_with(HEAD "1,2,3,4,5,6,7,8,9,10,11" TAIL,
	    strlen(HEAD "1,2,3,4,5,6,7,8,9,10,11" TAIL), &limits,
	    "there are more than 10 components");
	free(ten);
	free(eleven);
}

static void
test_the_length_is_limited(void **state)
{
	char *fits = make_filled(HEAD TAIL, ' ', SNAPSHOT_MAX_BYTES - strlen(HEAD TAIL), "");
	char *longer = make_filled(HEAD TAIL, ' ', SNAPSHOT_MAX_BYTES - strlen(HEAD TAIL) + 1, "");

	(void)state;
	assert_accepted(fits);
	assert_refused(longer, "the snapshot is longer than 262144 bytes");
	free(fits);
	free(longer);
}

static void
test_a_list_that_fills_the_whole_length_is_accepted(void **state)
{
	char *text = make_snapshot(8000);

	(void)state;
	assert_true(strlen(text) > SNAPSHOT_MAX_BYTES - 16 * 1024);
	assert_true(strlen(text) <= SNAPSHOT_MAX_BYTES);
	assert_accepted(text);
	free(text);
}

static void
test_nesting_and_bracket_bombs_are_refused_before_the_parser(void **state)
{
	char *lists = make_filled("", '[', SNAPSHOT_MAX_BYTES, "");
	char *objects = make_filled("", '{', SNAPSHOT_MAX_BYTES, "");

	(void)state;
	assert_refused(lists, "the text is nested deeper than the format");
	assert_refused(objects, "the text is nested deeper than the format");
	assert_refused(
	    HEAD "{\"name\":[],\"version\":{}}" TAIL, "the text is nested deeper than the format");
	assert_refused(HEAD "[],[]" TAIL, "the text has more lists than the one of the format");
	free(lists);
	free(objects);
}

static void
test_brackets_in_strings_do_not_count(void **state)
{
	(void)state;
	assert_refused("{\"[[[[\\\"[[[[\\\\\":1}", "the snapshot has an unknown key");
	assert_refused("{\"a\":\"[{[{[{\"}", "the snapshot has an unknown key \"a\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_canonical_text_has_sorted_components_and_no_white_space),
	    cmocka_unit_test(test_names_sort_by_byte_not_by_letter),
	    cmocka_unit_test(test_escapes_leave_no_trace),
	    cmocka_unit_test(test_a_fresh_installation_has_no_components),
	    cmocka_unit_test(test_the_canonical_text_is_its_own_canonical_text),
	    cmocka_unit_test(test_the_digest_is_that_of_the_canonical_text),
	    cmocka_unit_test(test_the_text_must_be_one_json_value),
	    cmocka_unit_test(test_bytes_that_are_no_text_are_refused),
	    cmocka_unit_test(test_only_an_object_is_a_snapshot),
	    cmocka_unit_test(test_each_key_is_needed),
	    cmocka_unit_test(test_a_repeated_key_is_refused),
	    cmocka_unit_test(test_an_unknown_key_is_named_only_when_it_is_harmless),
	    cmocka_unit_test(test_each_value_has_its_kind),
	    cmocka_unit_test(test_a_repeated_component_name_is_refused_with_both_places),
	    cmocka_unit_test(test_the_number_of_components_is_limited),
	    cmocka_unit_test(test_the_length_is_limited),
	    cmocka_unit_test(test_a_list_that_fills_the_whole_length_is_accepted),
	    cmocka_unit_test(test_nesting_and_bracket_bombs_are_refused_before_the_parser),
	    cmocka_unit_test(test_brackets_in_strings_do_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
