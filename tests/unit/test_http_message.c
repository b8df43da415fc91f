/*
 * Heads cut into their parts. http-parser does the cutting; what it returns is compared with a
 * plain splitting at CR LF, colon and space, over random heads that the scan accepts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/http/http_message.h"
#include "head_fixture.h"
#include "random.h"

#define LINE "GET /a HTTP/1.1\r\n"

static struct http_span
span(const char *text)
{
	return (struct http_span){text, strlen(text)};
}

static void
assert_span(struct http_span span, const char *expected)
{
	if (!http_span_is(span, expected))
		fail_msg("\"%.*s\" is not \"%s\"", (int)span.len, span.bytes, expected);
}

static void
cut(const char *bytes, struct http_head *head)
{
	struct http_scan scan;

	assert_int_equal(scanned(bytes, strlen(bytes), &scan), HTTP_SCAN_COMPLETE);
	assert_true(http_message_cut_request(bytes, scan.head_len, head));
}

static void
test_a_request_is_cut_into_target_names_and_values(void **state)
{
	(void)state;
	struct http_head head;

	cut("PUT /snapshots/a HTTP/1.1\r\nHost: h\r\nX-A:b:c \r\nx-a: \r\nY:\r\n\r\n", &head);
	assert_span(head.target, "/snapshots/a");
	assert_int_equal(head.field_count, 4);
	assert_span(head.fields[0].name, "Host");
	assert_span(head.fields[0].value, "h");
	assert_span(head.fields[1].name, "X-A");
	assert_span(head.fields[1].value, "b:c");
	assert_span(head.fields[2].name, "x-a");
	assert_span(head.fields[2].value, "");
	assert_span(head.fields[3].name, "Y");
	assert_span(head.fields[3].value, "");
}

static void
test_spaces_around_a_value_are_no_part_of_it(void **state)
{
	(void)state;
	struct http_head head;

	cut(LINE "A:b\r\nB:   b\r\nC: b   \r\nD:  b c  \r\nE:    \r\n\r\n", &head);
	assert_span(head.fields[0].value, "b");
	assert_span(head.fields[1].value, "b");
	assert_span(head.fields[2].value, "b");
	assert_span(head.fields[3].value, "b c");
	assert_span(head.fields[4].value, "");
}

static void
test_a_response_is_cut_into_status_and_fields(void **state)
{
	(void)state;
	static const char bytes[] = "HTTP/1.1 206 Partial Content\r\nETag: \"x\"\r\n\r\n";
	struct http_head head;

	assert_true(http_message_cut_response(bytes, sizeof bytes - 1, &head));
	assert_int_equal(head.status, 206);
	assert_int_equal(head.field_count, 1);
	assert_span(head.fields[0].value, "\"x\"");
}

static void
test_what_is_no_head_of_that_kind_is_refused(void **state)
{
	(void)state;
	struct http_head head;
	static const char *const requests[] = {"HTTP/1.1 200 OK\r\n\r\n", "get /a HTTP/1.1\r\n\r\n",
	    "GET a HTTP/1.1\r\n\r\n", LINE "Content-Length: 1 1\r\n\r\n",
	    LINE "Content-Length: 99999999999999999999\r\n\r\n",
	    LINE "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", LINE "Host: h\r\n"};

	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
		if (http_message_cut_request(requests[i], strlen(requests[i]), &head))
			fail_msg("accepted as a request: %s", requests[i]);
	assert_false(http_message_cut_response(LINE "\r\n", sizeof LINE + 1, &head));
	assert_false(http_message_cut_response(BYTES("HTTP/1.1 200 OK\r\n"), &head));
}

static void
test_a_head_of_64_fields_keeps_them_all(void **state)
{
	(void)state;
	char bytes[4096];
	struct http_head head;
	size_t len = (size_t)snprintf(bytes, sizeof bytes, LINE);

	for (int i = 0; i < HTTP_FIELDS_MAX; i++)
		len += (size_t)snprintf(bytes + len, sizeof bytes - len, "X-%d: %d\r\n", i, i);
	(void)snprintf(bytes + len, sizeof bytes - len, "\r\n");
	cut(bytes, &head);
	assert_int_equal(head.field_count, HTTP_FIELDS_MAX);
	assert_span(head.fields[63].name, "X-63");
	assert_span(head.fields[63].value, "63");
}

static void
test_parser_trap_fields_beyond_the_64th_are_no_overflow(void **state)
{
	(void)state;
	char bytes[4096];
	struct http_head head;
	size_t len = (size_t)snprintf(bytes, sizeof bytes, LINE);

	for (int i = 0; i <= HTTP_FIELDS_MAX; i++)
		len += (size_t)snprintf(bytes + len, sizeof bytes - len, "X: 1\r\n");
	len += (size_t)snprintf(bytes + len, sizeof bytes - len, "\r\n");
	assert_false(http_message_cut_request(bytes, len, &head));
}

static void
test_parser_trap_upgrade_does_not_end_the_fields(void **state)
{
	(void)state;
	struct http_head head;
	size_t count;

	cut(LINE "Connection: Upgrade\r\nUpgrade: h2c\r\nHost: h\r\nContent-Length: 5\r\n\r\n",
	    &head);
	assert_int_equal(head.field_count, 4);
	assert_span(http_message_find(&head, "Content-Length", &count)->value, "5");
	cut("CONNECT h:443 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n", &head);
	assert_int_equal(head.field_count, 2);
}

static void
test_parser_trap_chunks_and_trailers_never_reach_the_parser(void **state)
{
	(void)state;
	static const char bytes[] = LINE "Transfer-Encoding: chunked\r\n\r\n"
	                                 "\x80\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n";
	struct http_scan scan;
	struct http_head head;

	assert_int_equal(scanned(BYTES(bytes), &scan), HTTP_SCAN_COMPLETE);
	assert_true(http_message_cut_request(bytes, scan.head_len, &head));
	assert_int_equal(head.field_count, 1);
	assert_null(http_message_find(&head, "Content-Length", NULL));
}

static void
test_fields_are_found_by_name_in_any_case_and_counted(void **state)
{
	(void)state;
	struct http_head head;
	size_t count;

	cut(LINE "A: 1\r\nAB: 2\r\na: 3\r\n\r\n", &head);
	assert_ptr_equal(http_message_find(&head, "a", &count), &head.fields[0]);
	assert_int_equal(count, 2);
	assert_ptr_equal(http_message_find(&head, "ab", NULL), &head.fields[1]);
	assert_null(http_message_find(&head, "B", &count));
	assert_int_equal(count, 0);
	assert_null(http_message_find(&head, "ABC", NULL));
}

static void
test_spans_are_compared_whole(void **state)
{
	(void)state;
	assert_true(http_span_is(span("close"), "close"));
	assert_false(http_span_is(span("Close"), "close"));
	assert_false(http_span_is(span("clos"), "close"));
	assert_false(http_span_is(span("closed"), "close"));
	assert_true(http_span_is_nocase(span("cLOSE"), "Close"));
	assert_false(http_span_is_nocase(span("clos"), "close"));
	assert_false(http_span_is((struct http_span){BYTES("close\0")}, "close"));
	assert_true(http_span_is(span(""), ""));
}

static void
test_lists_hold_whole_tokens(void **state)
{
	(void)state;
	static const char *const lists[] = {
	    "close", "CLOSE", "keep-alive, close", "close,x", " close ", ",,close", "x ,close ,y"};
	static const char *const others[] = {"", ",", "closed", "x-close", "keep-alive", "clo se",
	    "close x", "close;q=1", "\"close\""};

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		if (!http_span_lists(span(lists[i]), "close"))
			fail_msg("not found in \"%s\"", lists[i]);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (http_span_lists(span(others[i]), "close"))
			fail_msg("found in \"%s\"", others[i]);
}

static void
test_numbers_have_one_form(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		unsigned long long number;
	} numbers[] = {{"0", 0}, {"7", 7}, {"10", 10}, {"4294967296", 4294967296},
	    {"999999999999999999", 999999999999999999}};
	static const char *const others[] = {"", "00", "01", "-1", "+1", " 1", "1 ", "1.0", "1e3",
	    "0x1", "1,1", "1_0", "a", "1000000000000000000", "9223372036854775808",
	    "18446744073709551616", "18446744073709551621", "\xd9\xa1", "\x80"};
	unsigned long long number;

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		assert_true(http_span_number(span(numbers[i].text), &number));
		assert_true(number == numbers[i].number);
	}
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (http_span_number(span(others[i]), &number))
			fail_msg("\"%s\" is taken for %llu", others[i], number);
	assert_false(http_span_number((struct http_span){BYTES("1\0")}, &number));
}

/* A head of lines that the scan accepts, framing fields and odd values among them. */
static size_t
random_head(uint64_t *seed, char *bytes, size_t max)
{
	static const char *const lines[] = {LINE, "PUT /b?c#d HTTP/1.0\r\n",
	    "OPTIONS * HTTP/1.1\r\n", "CONNECT h:443 HTTP/1.1\r\n", "GET http://h/a HTTP/1.1\r\n"};
	static const char *const names[] = {"Host", "Content-Length", "Transfer-Encoding",
	    "Connection", "Upgrade", "Proxy-Connection", "X-A", "conTENT-length", "Content-Lengthy",
	    "Upgrad", "~!#$%&'*+-.^_`|"};
	static const char *const values[] = {"", " ", "5", " 5", "0", "chunked", "Upgrade",
	    "close, upgrade", "keep-alive", "a:b", "  x  y  ", "chunked, gzip", ",", "h2c", "\"\\"};
	size_t len = (size_t)snprintf(bytes, max, "%s", lines[random_below(seed, 5)]);

	for (size_t n = random_below(seed, 6); n > 0; n--)
		len += (size_t)snprintf(bytes + len, max - len, "%s:%s%s\r\n",
		    names[random_below(seed, 11)], random_below(seed, 2) ? " " : "",
		    values[random_below(seed, 15)]);
	len += (size_t)snprintf(bytes + len, max - len, "\r\n");
	assert_true(len < max);
	return len;
}

static struct http_span
trimmed(const char *from, const char *to)
{
	while (from < to && *from == ' ')
		from++;
	while (from < to && to[-1] == ' ')
		to--;
	return (struct http_span){from, (size_t)(to - from)};
}

static void
assert_same_span(struct http_span a, struct http_span b)
{
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.bytes, b.bytes, a.len);
}

/* HEAD must be what the text says when it is read in the plainest way. */
static void
assert_plainly_split(const char *bytes, const struct http_head *head)
{
	const char *target = strchr(bytes, ' ') + 1, *line = strstr(bytes, "\r\n") + 2;
	size_t count = 0;

	assert_same_span(head->target, trimmed(target, strchr(target, ' ')));
	for (const char *end; (end = strstr(line, "\r\n")) != line; line = end + 2, count++) {
		const char *colon = strchr(line, ':');
		assert_true(count < head->field_count);
		assert_same_span(
		    head->fields[count].name, (struct http_span){line, (size_t)(colon - line)});
		assert_same_span(head->fields[count].value, trimmed(colon + 1, end));
	}
	assert_int_equal(head->field_count, count);
}

static void
test_the_parser_cuts_as_a_plain_splitting_does(void **state)
{
	(void)state;
	uint64_t seed = 5;
	int accepted = 0, refused = 0;

	for (int i = 0; i < 200000; i++) {
		char bytes[512];
		struct http_head head;
		size_t len = random_head(&seed, bytes, sizeof bytes);
		if (http_message_cut_request(bytes, len, &head)) {
			assert_plainly_split(bytes, &head);
			accepted++;
		} else {
			refused++;
		}
	}
	assert_true(accepted > 50000);
	assert_true(refused > 10000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_request_is_cut_into_target_names_and_values),
	    cmocka_unit_test(test_spaces_around_a_value_are_no_part_of_it),
	    cmocka_unit_test(test_a_response_is_cut_into_status_and_fields),
	    cmocka_unit_test(test_what_is_no_head_of_that_kind_is_refused),
	    cmocka_unit_test(test_a_head_of_64_fields_keeps_them_all),
	    cmocka_unit_test(test_parser_trap_fields_beyond_the_64th_are_no_overflow),
	    cmocka_unit_test(test_parser_trap_upgrade_does_not_end_the_fields),
	    cmocka_unit_test(test_parser_trap_chunks_and_trailers_never_reach_the_parser),
	    cmocka_unit_test(test_fields_are_found_by_name_in_any_case_and_counted),
	    cmocka_unit_test(test_spans_are_compared_whole),
	    cmocka_unit_test(test_lists_hold_whole_tokens),
	    cmocka_unit_test(test_numbers_have_one_form),
	    cmocka_unit_test(test_the_parser_cuts_as_a_plain_splitting_does),
	};
	return cmocka_run_group_tests_name("http_message", tests, NULL, NULL);
}
