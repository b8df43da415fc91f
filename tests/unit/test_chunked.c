/*
 * The chunked coding of a store's answer: whole, byte by byte, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/http/chunked.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

enum { ROOM = 256 };

/* The last body: its content, and how many bytes were not used. */
static char content[ROOM];
static size_t content_len, unused;
static const char *defect;

/* Decodes TEXT in pieces of STEP bytes. */
static enum chunked_result
decode(const char *text, size_t step)
{
	struct chunked chunked = {0};
	enum chunked_result result = CHUNKED_MORE;
	size_t len = strlen(text), at = 0;

	content_len = 0;
	while (at < len && result == CHUNKED_MORE) {
		size_t piece = len - at < step ? len - at : step, got, used;
		assert_true(content_len + piece <= sizeof content);
		memcpy(content + content_len, text + at, piece);
		result = chunked_decode(&chunked, content + content_len, piece, &got, &used);
		assert_true(used <= piece && got <= used);
		assert_true(used == piece || result != CHUNKED_MORE);
		content_len += got;
		at += used;
	}
	unused = len - at;
	defect = chunked.defect;
	return result;
}

static void
assert_content(const char *text, const char *expected, size_t left)
{
	for (size_t step = 1; step <= strlen(text); step++) {
		assert_int_equal(decode(text, step), CHUNKED_END);
		assert_int_equal(content_len, strlen(expected));
		assert_memory_equal(content, expected, content_len);
		assert_int_equal(unused, left);
	}
}

static void
test_chunks_are_joined_however_they_come(void **state)
{
	(void)state;
	assert_content("0\r\n\r\n", "", 0);
	assert_content("4\r\ngood\r\n0\r\n\r\n", "good", 0);
	assert_content("2\r\ngo\r\n1\r\no\r\n01\r\nd\r\n000\r\n\r\n", "good", 0);
	assert_content(
	    "A\r\n0123456789\r\nb\r\n0123\r\n\r\n890\r\n0\r\n\r\n", "01234567890123\r\n\r\n890", 0);
	assert_content("1\r\nx\r\n0\r\n\r\nHTTP/1.1 200 OK", "x", 15);
}

static void
test_what_has_two_readings_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *word;
	} cases[] = {{"+4\r\ngood", "hexadecimal"}, {"-4\r\ngood", "hexadecimal"},
	    {"0x4\r\ngood", "hexadecimal"}, {" 4\r\ngood", "hexadecimal"},
	    {"4 \r\ngood", "hexadecimal"}, {"\r\ngood", "hexadecimal"}, {"g\r\n", "hexadecimal"},
	    {"4\ngood", "hexadecimal"}, {"4_0\r\n", "hexadecimal"}, {"4;a=b\r\ngood", "extension"},
	    {"0;\r\n\r\n", "extension"}, {"10000000000000004\r\n", "digits"},
	    {"0000000000000004\r\n", "digits"}, {"4\rgood", "does not end"},
	    {"4\r\ngoodX", "does not end"}, {"4\r\ngood\n", "does not end"},
	    {"4\r\ngood\r0", "does not end"}, {"0\r\nX: y\r\n\r\n", "trailer"},
	    {"0\r\n\n", "trailer"}, {"0\r\n\r0", "does not end"}};

	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t step = 1; step <= strlen(cases[i].text); step++) {
			assert_int_equal(decode(cases[i].text, step), CHUNKED_BROKEN);
			assert_non_null(strstr(defect, cases[i].word));
		}
}

static void
test_a_body_without_its_end_is_not_over(void **state)
{
	(void)state;
	static const char whole[] = "4\r\ngood\r\n0\r\n\r\n";

	for (size_t len = 0; len < strlen(whole); len++) {
		char part[sizeof whole] = "";
		memcpy(part, whole, len);
		assert_int_equal(decode(part, sizeof part), CHUNKED_MORE);
	}
	assert_int_equal(decode("fffffffffffffff\r\nx", 64), CHUNKED_MORE);
	assert_int_equal(content_len, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_chunks_are_joined_however_they_come),
	    cmocka_unit_test(test_what_has_two_readings_is_refused),
	    cmocka_unit_test(test_a_body_without_its_end_is_not_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
