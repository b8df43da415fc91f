/*
 * The byte-level gate: where a head ends, and every byte that may not be in it.
 *
 * scanned() delivers each case in one piece and byte by byte. The traps of http-parser that are
 * closed here say so in their names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "head_fixture.h"
#include "random.h"

#define LINE "GET /a HTTP/1.1\r\n"
#define HOST "Host: h\r\n"

static void
assert_complete(const char *bytes, size_t len, size_t head_len, unsigned fields)
{
	struct http_scan scan;

	if (scanned(bytes, len, &scan) != HTTP_SCAN_COMPLETE)
		fail_msg("not complete: %.*s", (int)len, bytes);
	assert_int_equal(scan.head_len, head_len);
	assert_int_equal(scan.fields, fields);
}

/* Fails unless the head is refused with a reason that holds WORD. */
static void
assert_malformed(const char *bytes, size_t len, const char *word)
{
	struct http_scan scan;

	if (scanned(bytes, len, &scan) != HTTP_SCAN_MALFORMED)
		fail_msg("not refused: %.*s", (int)len, bytes);
	if (strstr(scan.defect, word) == NULL)
		fail_msg("%.*s is refused for another reason: %s", (int)len, bytes, scan.defect);
}

static void
test_a_head_ends_with_its_empty_line(void **state)
{
	(void)state;
	assert_complete(BYTES(LINE "\r\n"), 19, 0);
	assert_complete(BYTES(LINE HOST "\r\n"), 28, 1);
	assert_complete(BYTES(LINE HOST "X-A:\r\nX-B: \r\nX-C:c:c\r\n\r\n"), 50, 4);
	assert_complete(BYTES("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), 38, 1);
	assert_complete(BYTES("?\r\n\r\n"), 5, 0);
}

static void
test_what_follows_the_head_is_not_looked_at(void **state)
{
	(void)state;
	static const char head[] = LINE HOST "\r\n";
	for (int byte = 0; byte < 256; byte++) {
		char bytes[sizeof head];
		memcpy(bytes, head, sizeof head - 1);
		bytes[sizeof head - 1] = (char)byte;
		assert_complete(bytes, sizeof bytes, sizeof head - 1, 1);
	}
}

static void
test_parser_trap_chunk_sizes_and_trailers_stay_outside_the_head(void **state)
{
	(void)state;
	static const char *const bodies[] = {"\x80\r\nhello\r\n0\r\n\r\n", "\xff\x35\r\nhello\r\n",
	    "5\r\nhello\r\n0\r\nContent-Length: 5\r\nHost: other\r\n\r\n", "0\r\n\r\n"};
	static const char head[] = LINE HOST "Transfer-Encoding: chunked\r\n\r\n";
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		char bytes[256];
		int len = snprintf(bytes, sizeof bytes, "%s%s", head, bodies[i]);
		assert_complete(bytes, (size_t)len, sizeof head - 1, 2);
	}
}

static void
test_every_beginning_of_a_head_is_incomplete(void **state)
{
	(void)state;
	static const char head[] = LINE HOST "X-A: b\r\n\r\n";
	struct http_scan scan;

	for (size_t n = 0; n < sizeof head - 1; n++)
		assert_int_equal(scanned(head, n, &scan), HTTP_SCAN_INCOMPLETE);
	assert_int_equal(scanned(head, sizeof head - 1, &scan), HTTP_SCAN_COMPLETE);
}

static void
test_lines_that_a_lenient_parser_would_repair_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t len;
		const char *word;
	} cases[] = {
	    {BYTES("\r\n" LINE HOST "\r\n"), "empty start line"},
	    {BYTES("\n" LINE HOST "\r\n"), "bare LF"},
	    {BYTES(" " LINE HOST "\r\n"), "white space before the start line"},
	    {BYTES("\t" LINE HOST "\r\n"), "control"},
	    {BYTES("GET /a HTTP/1.1\n" HOST "\r\n"), "bare LF"},
	    {BYTES("GET /a HTTP/1.1\r" HOST "\r\n"), "bare CR"},
	    {BYTES("GET /a HTTP/1.1\r\r\n" HOST "\r\n"), "bare CR"},
	    {BYTES("GET /a\0 HTTP/1.1\r\n" HOST "\r\n"), "control"},
	    {BYTES("GET\t/a HTTP/1.1\r\n\r\n"), "control"},
	    {BYTES("GET /caf\xe9 HTTP/1.1\r\n\r\n"), "non-ASCII"},
	    {BYTES(LINE "Host: h\n\r\n"), "bare LF"},
	    {BYTES(LINE "Host: h\r\n\n"), "bare LF"},
	    {BYTES(LINE "X-A: b\rX-B: c\r\n\r\n"), "bare CR"},
	    {BYTES(LINE "X-A: b\r\r\n\r\n"), "bare CR"},
	    {BYTES(LINE " Host: h\r\n\r\n"), "folded"},
	    {BYTES(LINE "\tHost: h\r\n\r\n"), "control"},
	    {BYTES(LINE HOST " folded\r\n\r\n"), "folded"},
	    {BYTES(LINE HOST "\tfolded\r\n\r\n"), "control"},
	    {BYTES(LINE "X-A:\r\n b\r\n\r\n"), "folded"},
	    {BYTES(LINE HOST " \r\n\r\n"), "folded"},
	    {BYTES(LINE "Host\r\n\r\n"), "without a colon"},
	    {BYTES(LINE ": h\r\n\r\n"), "without a name"},
	    {BYTES(LINE "Ho st: h\r\n\r\n"), "white space"},
	    {BYTES(LINE "Host\t: h\r\n\r\n"), "control"},
	    {BYTES(LINE "X-A: a\0b\r\n\r\n"), "control"},
	    {BYTES(LINE "X-A: a\tb\r\n\r\n"), "control"},
	    {BYTES(LINE "X-A: a\x7f\r\n\r\n"), "control"},
	    {BYTES(LINE "X-A: caf\xc3\xa9\r\n\r\n"), "non-ASCII"},
	    {BYTES(LINE "X\"A: b\r\n\r\n"), "not allowed"},
	    {BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), "control"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_malformed(cases[i].bytes, cases[i].len, cases[i].word);
}

static void
test_parser_trap_white_space_before_the_colon_is_refused(void **state)
{
	(void)state;
	assert_malformed(BYTES(LINE "Content-Length : 5\r\n\r\n"), "white space");
	assert_malformed(BYTES(LINE "Content-Length  : 5\r\n\r\n"), "white space");
	assert_malformed(BYTES(LINE "Transfer-Encoding : chunked\r\n\r\n"), "white space");
	assert_malformed(BYTES(LINE "Content-Length\t: 5\r\n\r\n"), "control");
	assert_malformed(BYTES(LINE "Content-Length\v: 5\r\n\r\n"), "control");
	assert_complete(BYTES(LINE "Content-Length:5\r\n\r\n"), 37, 1);
}

/* A head in which BYTE stands between BEFORE and AFTER. */
static enum http_scan_result
scan_around(const char *before, int byte, const char *after)
{
	char bytes[128];
	struct http_scan scan;
	size_t before_len = strlen(before), after_len = strlen(after);

	assert_true(before_len + 1 + after_len <= sizeof bytes);
	memcpy(bytes, before, before_len);
	bytes[before_len] = (char)byte;
	memcpy(bytes + before_len + 1, after, after_len);
	return scanned(bytes, before_len + 1 + after_len, &scan);
}

/* Of all 256 bytes, exactly those that ALLOWED names may stand there. */
static void
assert_allowed(const char *before, const char *after, bool (*allowed)(int byte))
{
	for (int byte = 0; byte < 256; byte++) {
		bool accepted = scan_around(before, byte, after) == HTTP_SCAN_COMPLETE;
		if (accepted != allowed(byte))
			fail_msg("byte 0x%02x after \"%s\": accepted is %d", (unsigned)byte, before,
			    accepted);
	}
}

static bool
is_printable(int byte)
{
	return byte >= 0x20 && byte <= 0x7e;
}

static bool
is_printable_no_space(int byte)
{
	return byte > 0x20 && byte <= 0x7e;
}

static bool
is_token_byte(int byte)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                            "abcdefghijklmnopqrstuvwxyz";
	return byte != 0 && strchr(token, byte) != NULL;
}

/* Inside a name a colon ends it, which is fine too; at its start it is not. */
static bool
is_token_byte_or_colon(int byte)
{
	return is_token_byte(byte) || byte == ':';
}

static bool
is_lf(int byte)
{
	return byte == '\n';
}

static void
test_every_byte_of_a_start_line_is_judged(void **state)
{
	(void)state;
	assert_allowed("", "ET /a HTTP/1.1\r\n\r\n", is_printable_no_space);
	assert_allowed("GET /", " HTTP/1.1\r\n\r\n", is_printable);
}

static void
test_every_byte_of_a_field_name_is_judged(void **state)
{
	(void)state;
	assert_allowed(LINE, "X: b\r\n\r\n", is_token_byte);
	assert_allowed(LINE "X", "X: b\r\n\r\n", is_token_byte_or_colon);
	assert_allowed(LINE "X", ": b\r\n\r\n", is_token_byte_or_colon);
}

static void
test_parser_trap_the_first_byte_of_a_value_is_judged_like_the_others(void **state)
{
	(void)state;
	assert_allowed(LINE "X:", "\r\n\r\n", is_printable);
	assert_allowed(LINE "X: ", "\r\n\r\n", is_printable);
	assert_allowed(LINE "X: ", "b\r\n\r\n", is_printable);
	assert_allowed(LINE "X: a", "b\r\n\r\n", is_printable);
	assert_allowed(LINE "X: a", "\r\n\r\n", is_printable);
}

static void
test_parser_trap_cr_and_any_other_byte_end_no_line_and_no_head(void **state)
{
	(void)state;
	assert_allowed("GET /a HTTP/1.1\r", "\r\n", is_lf);
	assert_allowed(LINE "Host: h\r", "\r\n", is_lf);
	assert_allowed(LINE HOST "\r", "", is_lf);
	assert_allowed(LINE "\r", "", is_lf);
}

/* Scans a start line of LEN bytes, and what follows. */
static enum http_scan_result
scan_start_line(size_t len, const char *rest)
{
	char bytes[HTTP_START_LINE_MAX + 64];
	struct http_scan scan;

	memset(bytes, 'a', len);
	memcpy(bytes + len, rest, strlen(rest));
	return scanned(bytes, len + strlen(rest), &scan);
}

static void
test_a_start_line_has_at_most_8_kib(void **state)
{
	(void)state;
	assert_int_equal(scan_start_line(HTTP_START_LINE_MAX, "\r\n\r\n"), HTTP_SCAN_COMPLETE);
	assert_int_equal(scan_start_line(HTTP_START_LINE_MAX, ""), HTTP_SCAN_INCOMPLETE);
	assert_int_equal(
	    scan_start_line(HTTP_START_LINE_MAX + 1, "\r\n\r\n"), HTTP_SCAN_START_LINE_TOO_LONG);
	assert_int_equal(
	    scan_start_line(HTTP_START_LINE_MAX + 1, ""), HTTP_SCAN_START_LINE_TOO_LONG);
}

/* Scans a header block of exactly SIZE bytes: one field, and REST after it. */
static enum http_scan_result
scan_fields_of(size_t size, const char *rest)
{
	char bytes[sizeof LINE + HTTP_FIELDS_MAX_BYTES + 64];
	struct http_scan scan;
	size_t start = sizeof LINE - 1, rest_len = strlen(rest);

	memcpy(bytes, LINE "X:", start + 2);
	memset(bytes + start + 2, 'a', size - 2 - rest_len);
	memcpy(bytes + start + size - rest_len, rest, rest_len);
	return scanned(bytes, start + size, &scan);
}

static void
test_a_header_block_has_at_most_16_kib(void **state)
{
	(void)state;
	assert_int_equal(scan_fields_of(HTTP_FIELDS_MAX_BYTES, "\r\n\r\n"), HTTP_SCAN_COMPLETE);
	assert_int_equal(scan_fields_of(HTTP_FIELDS_MAX_BYTES, ""), HTTP_SCAN_INCOMPLETE);
	assert_int_equal(
	    scan_fields_of(HTTP_FIELDS_MAX_BYTES + 1, "\r\n\r\n"), HTTP_SCAN_FIELDS_TOO_LARGE);
	assert_int_equal(scan_fields_of(HTTP_FIELDS_MAX_BYTES + 1, ""), HTTP_SCAN_FIELDS_TOO_LARGE);
}

static enum http_scan_result
scan_field_count(size_t count)
{
	char bytes[HTTP_HEAD_MAX];
	struct http_scan scan;
	size_t len = (size_t)snprintf(bytes, sizeof bytes, LINE);

	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(bytes + len, sizeof bytes - len, "X:\r\n");
	len += (size_t)snprintf(bytes + len, sizeof bytes - len, "\r\n");
	return scanned(bytes, len, &scan);
}

static void
test_parser_trap_the_number_of_fields_is_limited(void **state)
{
	(void)state;
	assert_int_equal(scan_field_count(HTTP_FIELDS_MAX), HTTP_SCAN_COMPLETE);
	assert_int_equal(scan_field_count(HTTP_FIELDS_MAX + 1), HTTP_SCAN_FIELDS_TOO_LARGE);
	assert_int_equal(scan_field_count(1000), HTTP_SCAN_FIELDS_TOO_LARGE);
}

/* A head put together from good and bad pieces. */
static size_t
random_head(uint64_t *seed, char *bytes, size_t max)
{
	static const struct {
		const char *bytes;
		size_t len;
	} pieces[] = {{BYTES(LINE)}, {BYTES(HOST)}, {BYTES("X-A: b\r\n")}, {BYTES("\r\n")},
	    {BYTES("\r")}, {BYTES("\n")}, {BYTES(" ")}, {BYTES(":")}, {BYTES("a")},
	    {BYTES("\r\n\r\n")}, {BYTES("\0")}, {BYTES("\t")}, {BYTES("\x80")},
	    {BYTES("Content-Length: 5")}, {BYTES("X-B:")}};
	size_t len = 0, count = 1 + random_below(seed, 8);

	if (random_below(seed, 4) != 0) {
		memcpy(bytes, LINE, sizeof LINE - 1);
		len = sizeof LINE - 1;
	}
	while (count-- > 0) {
		/* The first pieces are good lines: take them more often. */
		size_t i = random_below(seed, random_below(seed, 2) ? 4 : 15);
		assert_true(len + pieces[i].len <= max);
		memcpy(bytes + len, pieces[i].bytes, pieces[i].len);
		len += pieces[i].len;
	}
	return len;
}

/* Scans in pieces of random length. */
static enum http_scan_result
scan_in_pieces(uint64_t *seed, const char *bytes, size_t len, struct http_scan *scan)
{
	enum http_scan_result result = HTTP_SCAN_INCOMPLETE;

	*scan = (struct http_scan){0};
	for (size_t n = 0; n < len && result == HTTP_SCAN_INCOMPLETE;) {
		n += 1 + random_below(seed, len - n);
		result = http_scan_head(scan, bytes, n);
	}
	return result;
}

static void
test_the_result_does_not_depend_on_how_a_head_is_delivered(void **state)
{
	(void)state;
	uint64_t seed = 3;
	size_t results[HTTP_SCAN_FIELDS_TOO_LARGE + 1] = {0};

	for (int i = 0; i < 50000; i++) {
		char bytes[512];
		struct http_scan whole, pieces;
		size_t len = random_head(&seed, bytes, sizeof bytes);
		enum http_scan_result result = scanned(bytes, len, &whole);

		assert_int_equal(scan_in_pieces(&seed, bytes, len, &pieces), result);
		assert_same_scan(&whole, &pieces);
		results[result]++;
	}
	assert_true(results[HTTP_SCAN_INCOMPLETE] > 1000);
	assert_true(results[HTTP_SCAN_COMPLETE] > 1000);
	assert_true(results[HTTP_SCAN_MALFORMED] > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_head_ends_with_its_empty_line),
	    cmocka_unit_test(test_what_follows_the_head_is_not_looked_at),
	    cmocka_unit_test(test_parser_trap_chunk_sizes_and_trailers_stay_outside_the_head),
	    cmocka_unit_test(test_every_beginning_of_a_head_is_incomplete),
	    cmocka_unit_test(test_lines_that_a_lenient_parser_would_repair_are_refused),
	    cmocka_unit_test(test_parser_trap_white_space_before_the_colon_is_refused),
	    cmocka_unit_test(test_every_byte_of_a_start_line_is_judged),
	    cmocka_unit_test(test_every_byte_of_a_field_name_is_judged),
	    cmocka_unit_test(test_parser_trap_the_first_byte_of_a_value_is_judged_like_the_others),
	    cmocka_unit_test(test_parser_trap_cr_and_any_other_byte_end_no_line_and_no_head),
	    cmocka_unit_test(test_a_start_line_has_at_most_8_kib),
	    cmocka_unit_test(test_a_header_block_has_at_most_16_kib),
	    cmocka_unit_test(test_parser_trap_the_number_of_fields_is_limited),
	    cmocka_unit_test(test_the_result_does_not_depend_on_how_a_head_is_delivered),
	};
	return cmocka_run_group_tests_name("http_scan", tests, NULL, NULL);
}
