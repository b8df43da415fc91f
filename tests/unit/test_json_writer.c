/*
 * JSON text: whatever bytes go in, one line of printable ASCII that any parser reads comes out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "base/json_writer.h"
#include "random.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define BYTES(literal) (literal), sizeof(literal) - 1

static struct buffer out;

static int
empty_out(void **state)
{
	(void)state;
	buffer_fini(&out);
	return 0;
}

static void
assert_out(const char *expected)
{
	buffer_append(&out, "", 1);
	assert_string_equal(buffer_bytes(&out), expected);
	buffer_fini(&out);
}

static void
test_strings_are_quoted_and_escaped(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t len;
		const char *json;
	} cases[] = {{BYTES(""), "\"\""}, {BYTES("plain / text ~"), "\"plain / text ~\""},
	    {BYTES("a\"b\\c"), "\"a\\\"b\\\\c\""},
	    {BYTES("a\nb\r\tc"), "\"a\\u000ab\\u000d\\u0009c\""}, {BYTES("a\0b"), "\"a\\u0000b\""},
	    {BYTES("\x1f\x7f"), "\"\\u001f\\u007f\""}, {BYTES("caf\xc3\xa9"), "\"caf\\u00e9\""},
	    {BYTES("\xe2\x82\xac"), "\"\\u20ac\""},
	    {BYTES("\xf0\x9f\x98\x80"), "\"\\ud83d\\ude00\""},
	    {BYTES("\xf4\x8f\xbf\xbf"), "\"\\udbff\\udfff\""},
	    {BYTES("\xef\xbf\xbf\xc2\x80"), "\"\\uffff\\u0080\""},
	    {BYTES("\xe2\x80\xae"), "\"\\u202e\""}};

	for (size_t i = 0; i < COUNT(cases); i++) {
		json_writer_bytes(&out, cases[i].bytes, cases[i].len);
		assert_out(cases[i].json);
	}
}

static void
test_bytes_that_are_not_utf8_are_written_one_by_one(void **state)
{
	(void)state;
	static const struct {
		const char *bytes, *json;
	} cases[] = {{"\x80", "\"\\u0080\""}, {"\xff", "\"\\u00ff\""}, {"\xc3", "\"\\u00c3\""},
	    {"\xc3"
	     "a",
	        "\"\\u00c3a\""},
	    {"\xc0\xaf", "\"\\u00c0\\u00af\""}, {"\xc1\xbf", "\"\\u00c1\\u00bf\""},
	    {"\xe0\x80\xaf", "\"\\u00e0\\u0080\\u00af\""}, {"\xe2\x82", "\"\\u00e2\\u0082\""},
	    {"\xed\xa0\x80", "\"\\u00ed\\u00a0\\u0080\""},
	    {"\xf0\x80\x80\xaf", "\"\\u00f0\\u0080\\u0080\\u00af\""},
	    {"\xf4\x90\x80\x80", "\"\\u00f4\\u0090\\u0080\\u0080\""},
	    {"\xf5\x80\x80\x80", "\"\\u00f5\\u0080\\u0080\\u0080\""},
	    {"\xf0\x9f\x98", "\"\\u00f0\\u009f\\u0098\""}, {"\xa9\xc3\xa9", "\"\\u00a9\\u00e9\""}};

	for (size_t i = 0; i < COUNT(cases); i++) {
		json_writer_string(&out, cases[i].bytes);
		assert_out(cases[i].json);
	}
}

static void
test_a_sequence_cut_by_the_length_is_not_completed_from_beyond(void **state)
{
	(void)state;
	json_writer_bytes(&out, "\xe2\x82\xac", 2);
	assert_out("\"\\u00e2\\u0082\"");
	json_writer_bytes(&out, "ab", 1);
	assert_out("\"a\"");
}

static void
test_members_are_parted_by_commas(void **state)
{
	(void)state;
	buffer_append(&out, "{", 1);
	json_writer_member(&out, "a", "x\"y");
	json_writer_member(&out, "b", NULL);
	json_writer_number(&out, "c", 18446744073709551615ull);
	json_writer_key(&out, "d");
	buffer_append(&out, "[{", 2);
	json_writer_number(&out, "e", 0);
	buffer_append(&out, "}]", 2);
	json_writer_member(&out, "f", "{");
	json_writer_member(&out, "g", "");
	buffer_append(&out, "}", 1);
	assert_out("{\"a\":\"x\\\"y\",\"b\":null,\"c\":18446744073709551615,\"d\":[{\"e\":0}],"
	           "\"f\":\"{\",\"g\":\"\"}");
}

static void
test_the_first_member_in_an_empty_buffer_has_no_comma(void **state)
{
	(void)state;
	json_writer_number(&out, "a", 1);
	assert_out("\"a\":1");
}

/* Reads the string in OUT back; it must be printable ASCII. */
static json_t *
read_back(void)
{
	for (size_t i = 0; i < buffer_size(&out); i++)
		assert_in_range(buffer_bytes(&out)[i], 0x20, 0x7e);
	json_t *value = json_loadb(
	    buffer_bytes(&out), buffer_size(&out), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	assert_true(json_is_string(value));
	buffer_fini(&out);
	return value;
}

static void
test_any_bytes_give_valid_json(void **state)
{
	(void)state;
	static const char often[] = "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"\\\n\xed\xa0";
	uint64_t seed = 11;

	for (int i = 0; i < 100000; i++) {
		char bytes[16];
		size_t len = random_below(&seed, sizeof bytes + 1);
		for (size_t k = 0; k < len; k++)
			bytes[k] = random_below(&seed, 2) ? often[random_below(&seed, sizeof often)]
			                                  : (char)random_below(&seed, 256);
		json_writer_bytes(&out, bytes, len);
		json_decref(read_back());
	}
}

/* Writes the UTF-8 of a random character that is no surrogate. */
static size_t
random_character(uint64_t *seed, char *bytes)
{
	static const uint32_t bounds[] = {0x80, 0x800, 0x10000, 0x110000};
	uint32_t c;

	do
		c = (uint32_t)random_below(seed, bounds[random_below(seed, 4)]);
	while (c >= 0xd800 && c <= 0xdfff);
	size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
	for (size_t i = len - 1; i > 0; i--, c >>= 6)
		bytes[i] = (char)(0x80 | (c & 0x3f));
	bytes[0] = (char)(lead[len] | c);
	return len;
}

static void
test_utf8_reads_back_as_it_was(void **state)
{
	(void)state;
	uint64_t seed = 12;

	for (int i = 0; i < 100000; i++) {
		char bytes[32];
		size_t len = 0;
		for (size_t n = random_below(&seed, 8); n > 0; n--)
			len += random_character(&seed, bytes + len);
		json_writer_bytes(&out, bytes, len);
		json_t *value = read_back();
		assert_int_equal(json_string_length(value), len);
		assert_memory_equal(json_string_value(value), bytes, len);
		json_decref(value);
	}
}

#define WRITER_TEST(name) cmocka_unit_test_teardown(name, empty_out)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WRITER_TEST(test_strings_are_quoted_and_escaped),
	    WRITER_TEST(test_bytes_that_are_not_utf8_are_written_one_by_one),
	    WRITER_TEST(test_a_sequence_cut_by_the_length_is_not_completed_from_beyond),
	    WRITER_TEST(test_members_are_parted_by_commas),
	    WRITER_TEST(test_the_first_member_in_an_empty_buffer_has_no_comma),
	    WRITER_TEST(test_any_bytes_give_valid_json),
	    WRITER_TEST(test_utf8_reads_back_as_it_was),
	};
	return cmocka_run_group_tests_name("json_writer", tests, NULL, NULL);
}
