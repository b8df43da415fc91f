/*
 * Answers of the store: which pass, in what form, and which are not believed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/http/response_gate.h"
#include "head_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define OK "HTTP/1.1 200 OK\r\n"
#define PARTIAL "HTTP/1.1 206 Partial Content\r\n"
#define LENGTH "Content-Length: 5\r\n"

static const struct request get = {.method = METHOD_GET}, head = {.method = METHOD_HEAD},
                            put = {.method = METHOD_PUT};
static struct response response;

/* The last answer that was checked; RESPONSE points into it. */
static char answer[4096];

/* Checks the answer TEXT, without its final empty line, to REQUEST. Returns what is wrong. */
static const char *
check(const struct request *request, const char *text)
{
	struct http_scan scan;
	int len = snprintf(answer, sizeof answer, "%s\r\n", text);

	assert_true(len < (int)sizeof answer);
	if (scanned(answer, (size_t)len, &scan) != HTTP_SCAN_COMPLETE)
		return "not a head";
	assert_int_equal(scan.head_len, len);
	return response_gate_check(answer, scan.head_len, request, &response);
}

static void
assert_passes(const struct request *request, const char *text)
{
	const char *defect = check(request, text);

	if (defect != NULL)
		fail_msg("%s is refused: %s", text, defect);
}

/* Fails unless TEXT is refused with a reason that holds WORD. */
static void
assert_refused(const struct request *request, const char *text, const char *word)
{
	const char *defect = check(request, text);

	if (defect == NULL)
		fail_msg("passes: %s", text);
	else if (strstr(defect, word) == NULL)
		fail_msg("%s is refused for another reason: %s", text, defect);
}

static void
assert_printed(const char *expected)
{
	struct buffer out = {0};

	response_gate_print(&response, &out);
	buffer_append(&out, "", 1);
	assert_string_equal(buffer_bytes(&out), expected);
	buffer_fini(&out);
}

static void
test_a_plain_answer_passes_with_its_length(void **state)
{
	(void)state;
	assert_passes(&get, OK LENGTH);
	assert_int_equal(response.status, 200);
	assert_true(response.has_body);
	assert_true(response.keeps_alive);
	assert_false(response.is_interim);
	assert_int_equal(response.content_length, 5);
	assert_printed(LENGTH);
	assert_passes(&get, OK "Content-Length: 0\r\n");
	assert_false(response.has_body);
}

static void
test_only_the_listed_statuses_pass(void **state)
{
	(void)state;
	struct request everything = {
	    .method = METHOD_GET, .range = {RANGE_FROM, 0, 0}, .is_conditional = true};

	for (unsigned status = 0; status < 1000; status++) {
		char text[256];
		(void)snprintf(text, sizeof text,
		    "HTTP/1.1 %03u x\r\n" LENGTH "Content-Range: bytes %s/5\r\n", status,
		    status == 416 ? "*" : "0-4");
		bool passes = check(&everything, text) == NULL && !response.is_interim;
		bool listed = status == 200 || status == 206 || status == 304 || status == 404 ||
		              status == 410 || status == 412 || status == 416;
		if (passes != listed)
			fail_msg("status %u: passes is %d", status, passes);
	}
}

static void
test_an_upload_may_be_answered_201_or_204_and_a_download_not(void **state)
{
	(void)state;
	assert_passes(&put, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n");
	assert_passes(&put, "HTTP/1.1 204 No Content\r\n");
	assert_passes(&put, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n");
	assert_false(response.has_body);
	assert_refused(&get, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n", "upload");
	assert_refused(&get, "HTTP/1.1 204 No Content\r\n", "upload");
	assert_refused(&put, "HTTP/1.1 204 No Content\r\n" LENGTH, "204");
	assert_refused(&put, "HTTP/1.1 206 x\r\n" LENGTH "Content-Range: bytes 0-4/5\r\n", "asked");
}

static void
test_interim_answers_are_told_apart(void **state)
{
	(void)state;
	static const char *const interim[] = {"HTTP/1.1 100 Continue\r\n",
	    "HTTP/1.1 102 Processing\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n"};

	for (size_t i = 0; i < COUNT(interim); i++) {
		assert_passes(&get, interim[i]);
		assert_true(response.is_interim);
		assert_false(response.has_body);
	}
	assert_refused(&get, "HTTP/1.1 101 Switching Protocols\r\n" LENGTH, "pass");
	assert_refused(&get,
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n", "upgrade");
	assert_refused(&get, "HTTP/1.1 199 x\r\n" LENGTH, "pass");
}

static void
test_status_lines_of_another_form_are_refused(void **state)
{
	(void)state;
	static const char *const lines[] = {"HTTP/1.1 200", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK",
	    "HTTP/1.1  200 OK", "HTTP/1.1 +20 OK", "HTTP/1.1 2x0 OK", "HTTP/1.1 200OK ",
	    "HTTP/1.2 200 OK", "HTTP/2.0 200 OK", "HTTP/0.9 200 OK", "http/1.1 200 OK",
	    "HTTP/1.10 200 OK", "HTTP/11 200 OK", "ICY 200 OK", "200 OK", "OK", "GET / HTTP/1.1",
	    "<html><body>hello</body></html>", "SSH-2.0-OpenSSH_9.2"};

	for (size_t i = 0; i < COUNT(lines); i++) {
		char text[256];
		(void)snprintf(text, sizeof text, "%s\r\n" LENGTH, lines[i]);
		assert_refused(&get, text, "status");
	}
	assert_passes(&get, "HTTP/1.1 200 \r\n" LENGTH);
	assert_passes(&get, "HTTP/1.0 200 OK\r\n" LENGTH);
}

static void
test_a_body_needs_one_length_beyond_doubt(void **state)
{
	(void)state;
	static const char *const fields[] = {"", "Content-Length: 5\r\nContent-Length: 5\r\n",
	    "Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: -5\r\n",
	    "Content-Length: +5\r\n", "Content-Length: 0x5\r\n", "Content-Length: 05\r\n",
	    "Content-Length: 5, 5\r\n", "Content-Length:\r\n", "Content-Length: 5 5\r\n",
	    "Content-Length: 9223372036854775808\r\n", "Content-Length: 18446744073709551616\r\n",
	    "Content-Length: 18446744073709551621\r\n", "Content-Length : 5\r\n",
	    " Content-Length: 5\r\n", "Content-Length:\r\n 5\r\n", "Content-Length: 5\n",
	    "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
	    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
	    "Content-Length: 5\r\nTransfer-Encoding: identity\r\n",
	    "Content-Length: 5\r\nTransfer-Encoding:\r\n", "X-A: caf\xe9\r\nContent-Length: 5\r\n",
	    "X-A: b\rSet-Cookie: x\r\nContent-Length: 5\r\n"};
	const struct request *const requests[] = {&get, &put};

	for (size_t i = 0; i < COUNT(fields); i++)
		for (size_t r = 0; r < COUNT(requests); r++) {
			char text[512];
			(void)snprintf(text, sizeof text, OK "%s", fields[i]);
			assert_refused(requests[r], text, "");
		}
	assert_passes(&get, OK "Content-Length:  5  \r\n");
}

/* What a client may have asked for is told apart from what no server should say. */
static void
test_what_may_not_pass_is_good_http_all_the_same(void **state)
{
	(void)state;
	static const char *const good[] = {"HTTP/1.1 301 x\r\n" LENGTH, "HTTP/1.1 403 x\r\n" LENGTH,
	    "HTTP/1.1 503 x\r\n" LENGTH, "HTTP/1.1 206 x\r\n" LENGTH, OK,
	    OK "Transfer-Encoding: chunked\r\n", OK LENGTH "ETag: a\r\nETag: b\r\n",
	    "HTTP/1.1 304 x\r\n"};
	static const char *const bad[] = {OK LENGTH LENGTH, OK "Content-Length: x\r\n",
	    "HTTP/1.1 20x OK\r\n" LENGTH, "HTTP/2 200 OK\r\n" LENGTH};

	for (size_t i = 0; i < COUNT(good); i++) {
		assert_refused(&get, good[i], "");
		assert_true(response.is_http);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_refused(&get, bad[i], "");
		assert_false(response.is_http);
	}
}

static void
test_head_and_304_have_no_body_whatever_their_length(void **state)
{
	(void)state;
	struct request conditional = {.method = METHOD_GET, .is_conditional = true};

	assert_passes(&head, OK LENGTH);
	assert_false(response.has_body);
	assert_printed(LENGTH);
	assert_passes(&head, OK);
	assert_printed("");
	assert_passes(&conditional, "HTTP/1.1 304 Not Modified\r\n" LENGTH);
	assert_false(response.has_body);
	assert_passes(&conditional, "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n");
	assert_refused(&head, OK LENGTH LENGTH, "valid HTTP");
	assert_refused(&head, OK "Transfer-Encoding: chunked\r\n", "chunked");
}

static void
test_a_size_that_is_known_stands_for_a_length_that_is_missing(void **state)
{
	(void)state;
	struct request known = {.method = METHOD_GET, .has_known_size = true, .known_size = 9};
	struct request part = {
	    .method = METHOD_GET, .range = {RANGE_FROM_TO, 2, 4}, .has_known_size = true};
	static const char *const other[] = {OK "Transfer-Encoding: gzip, chunked\r\n",
	    OK "Transfer-Encoding: xchunked\r\n", OK "Transfer-Encoding:\r\n",
	    OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
	    OK "Transfer-Encoding: chunked\r\nContent-Length: 9\r\n",
	    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n"};

	assert_passes(&known, OK "Transfer-Encoding: Chunked\r\n");
	assert_int_equal(response.framing, RESPONSE_CHUNKED);
	assert_true(response.has_body && response.keeps_alive);
	assert_printed("Content-Length: 9\r\n");
	assert_passes(&known, OK);
	assert_int_equal(response.framing, RESPONSE_BY_CLOSE);
	assert_true(response.has_body && !response.keeps_alive);
	assert_printed("Content-Length: 9\r\n");
	assert_passes(
	    &part, PARTIAL "Transfer-Encoding: chunked\r\nContent-Range: bytes 2-4/9\r\n");
	assert_int_equal(response.content_length, 3);
	assert_refused(&get, OK, "no length");
	for (size_t i = 0; i < COUNT(other); i++)
		assert_refused(&known, other[i], "");
	known.method = METHOD_HEAD;
	assert_passes(&known, OK "Transfer-Encoding: chunked\r\n");
	assert_false(response.has_body);
	assert_printed("Content-Length: 9\r\n");
	known.known_size = 0;
	known.method = METHOD_GET;
	assert_passes(&known, OK "Transfer-Encoding: chunked\r\n");
	assert_false(response.has_body || response.keeps_alive);
}

static void
test_an_error_needs_no_length(void **state)
{
	(void)state;
	static const char *const fields[] = {"", "Transfer-Encoding: chunked\r\n"};

	for (size_t i = 0; i < COUNT(fields); i++) {
		char text[128];
		(void)snprintf(text, sizeof text, "HTTP/1.1 404 No\r\n%s", fields[i]);
		assert_passes(&get, text);
		assert_false(response.has_body || response.keeps_alive);
		assert_printed("Content-Length: 0\r\n");
	}
}

static void
test_304_and_ranges_must_have_been_asked_for(void **state)
{
	(void)state;
	struct request since = {.method = METHOD_GET, .is_conditional = true};
	struct request range = {.method = METHOD_GET, .range = {RANGE_FROM_TO, 0, 4}};

	assert_passes(&since, "HTTP/1.1 304 Not Modified\r\n");
	assert_refused(&get, "HTTP/1.1 304 Not Modified\r\n", "condition");
	assert_refused(&range, "HTTP/1.1 304 Not Modified\r\n", "condition");
	assert_passes(&range, PARTIAL LENGTH "Content-Range: bytes 0-4/9\r\n");
	assert_refused(&get, PARTIAL LENGTH "Content-Range: bytes 0-4/9\r\n", "asked");
	assert_passes(
	    &range, "HTTP/1.1 416 x\r\nContent-Length: 0\r\nContent-Range: bytes */3\r\n");
	assert_refused(&get, "HTTP/1.1 416 x\r\nContent-Length: 0\r\n", "asked");
	static const char *const malformed[] = {
	    "bytes 0-4/3", "bytes */*", "items */3", "bytes */", "bytes */+3", "*/3"};
	for (size_t i = 0; i < COUNT(malformed); i++) {
		char text[200];
		(void)snprintf(text, sizeof text,
		    "HTTP/1.1 416 x\r\nContent-Length: 0\r\nContent-Range: %s\r\n", malformed[i]);
		assert_refused(&range, text, "416");
	}
	assert_passes(&range, OK LENGTH);
}

static void
test_a_partial_answer_is_exactly_the_range_that_was_asked_for(void **state)
{
	(void)state;
	static const struct {
		struct request_range range;
		const char *value;
		bool passes;
	} cases[] = {{{RANGE_FROM_TO, 5, 9}, "bytes 5-9/100", true},
	    {{RANGE_FROM_TO, 5, 99}, "bytes 5-9/10", true},
	    {{RANGE_FROM, 5, 0}, "bytes 5-9/10", true},
	    {{RANGE_SUFFIX, 0, 5}, "bytes 5-9/10", true},
	    {{RANGE_SUFFIX, 0, 9}, "bytes 0-4/5", true},
	    {{RANGE_FROM_TO, 5, 9}, "bytes 4-8/100", false},
	    {{RANGE_FROM_TO, 5, 99}, "bytes 5-9/100", false},
	    {{RANGE_FROM_TO, 5, 8}, "bytes 5-9/100", false},
	    {{RANGE_FROM, 5, 0}, "bytes 5-9/11", false},
	    {{RANGE_FROM, 4, 0}, "bytes 5-9/10", false},
	    {{RANGE_SUFFIX, 0, 5}, "bytes 4-8/10", false},
	    {{RANGE_SUFFIX, 0, 4}, "bytes 5-9/10", false},
	    {{RANGE_SUFFIX, 0, 0}, "bytes 0-4/5", false},
	    {{RANGE_FROM, 0, 0}, "bytes 0-5/6", false}, {{RANGE_FROM, 0, 0}, "bytes 0-3/4", false}};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct request request = {.method = METHOD_GET, .range = cases[i].range};
		char text[256];
		(void)snprintf(
		    text, sizeof text, PARTIAL LENGTH "Content-Range: %s\r\n", cases[i].value);
		if ((check(&request, text) == NULL) != cases[i].passes)
			fail_msg("case %zu, %s: passes is %d", i, cases[i].value, !cases[i].passes);
	}
}

static void
test_content_range_in_another_form_is_refused(void **state)
{
	(void)state;
	static const char *const values[] = {"", "bytes", "bytes ", "bytes 0-4", "bytes 0-4/",
	    "bytes 0-4/*", "bytes */5", "bytes 0/5-4", "bytes -4/5", "bytes 0-/5", "bytes=0-4/5",
	    "Bytes 0-4/5", "items 0-4/5", "bytes  0-4/5", "bytes 0 -4/5", "bytes 0-4 /5",
	    "bytes 0-4/5 x", "bytes 00-4/5", "bytes 0-04/5", "bytes 0-4/05", "bytes 4-0/5",
	    "bytes 0-4/4", "bytes 0-4/3", "bytes 0-4/5/6", "bytes 0-4-4/5",
	    "bytes 0-18446744073709551620/5", "bytes 0-4/18446744073709551621",
	    "bytes 0-4/5\r\nContent-Range: bytes 0-4/5"};
	struct request request = {.method = METHOD_GET, .range = {RANGE_FROM_TO, 0, 4}};

	for (size_t i = 0; i < COUNT(values); i++) {
		char text[256];
		(void)snprintf(
		    text, sizeof text, PARTIAL LENGTH "Content-Range: %s\r\n", values[i]);
		assert_refused(&request, text, "Content-Range");
	}
	assert_refused(&request, PARTIAL LENGTH, "Content-Range");
	assert_refused(&request,
	    PARTIAL LENGTH "Content-Type: multipart/byteranges; boundary=x\r\n", "Content-Range");
	assert_passes(&request, PARTIAL LENGTH "Content-Range: bytes 0-4/5\r\n");
}

static void
test_only_the_listed_fields_pass_each_in_its_place(void **state)
{
	(void)state;
	assert_passes(&get,
	    OK "repr-digest: sha-256=:x:\r\nLAST-MODIFIED: then\r\nexpires: soon\r\netag: \"x\"\r\n"
	       "cache-control: no-store\r\naccept-ranges: bytes\r\ncontent-disposition: inline\r\n"
	       "content-encoding: gzip\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n");
	assert_printed("Content-Length: 5\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n"
	               "Content-Disposition: inline\r\nAccept-Ranges: bytes\r\n"
	               "Cache-Control: no-store\r\nETag: \"x\"\r\nExpires: soon\r\n"
	               "Last-Modified: then\r\nRepr-Digest: sha-256=:x:\r\n");
	assert_passes(&get,
	    OK LENGTH "Set-Cookie: x\r\nSet-Cookie: y\r\nServer: s\r\nDate: d\r\nLocation: /b\r\n"
	              "Connection: X-A\r\nKeep-Alive: timeout=5\r\nTrailer: X\r\nUpgrade: h2c\r\n"
	              "Proxy-Authenticate: x\r\nStrict-Transport-Security: x\r\nAlt-Svc: x\r\n"
	              "X-Request-Id: 7\r\nX-Accel-Redirect: /b\r\nVia: x\r\nAge: 7\r\nVary: *\r\n"
	              "ETagX: y\r\nContent_Type: z\r\nAccess-Control-Allow-Origin: *\r\n");
	assert_printed(LENGTH);
}

static void
test_a_field_that_passes_comes_once(void **state)
{
	(void)state;
	static const char *const names[] = {"Content-Type", "Content-Encoding",
	    "Content-Disposition", "Accept-Ranges", "Cache-Control", "ETag", "Expires",
	    "Last-Modified", "Repr-Digest"};

	for (size_t i = 0; i < COUNT(names); i++) {
		char text[256];
		(void)snprintf(text, sizeof text, OK LENGTH "%s: a\r\n", names[i]);
		assert_passes(&get, text);
		(void)snprintf(
		    text, sizeof text, OK LENGTH "%s: a\r\nX: y\r\n%s: a\r\n", names[i], names[i]);
		assert_refused(&get, text, "repeated");
	}
}

static void
test_the_store_says_whether_its_connection_goes_on(void **state)
{
	(void)state;
	assert_passes(&get, OK LENGTH "Connection: keep-alive\r\n");
	assert_true(response.keeps_alive);
	assert_passes(&get, OK LENGTH "Connection: CLOSE\r\n");
	assert_false(response.keeps_alive);
	assert_refused(&get, OK LENGTH "Connection: etag\r\n", "names");
	assert_refused(&get, OK LENGTH "Connection: x, Content-Length\r\n", "names");
	assert_passes(&get, OK LENGTH "Connection: x\r\nConnection: keep-alive, close\r\n");
	assert_false(response.keeps_alive);
	assert_passes(&get, "HTTP/1.0 200 OK\r\n" LENGTH "Connection: keep-alive\r\n");
	assert_false(response.keeps_alive);
}

static void
test_a_204_is_printed_without_a_length(void **state)
{
	(void)state;
	assert_passes(&put, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nETag: \"x\"\r\n");
	assert_printed("ETag: \"x\"\r\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_plain_answer_passes_with_its_length),
	    cmocka_unit_test(test_only_the_listed_statuses_pass),
	    cmocka_unit_test(test_an_upload_may_be_answered_201_or_204_and_a_download_not),
	    cmocka_unit_test(test_interim_answers_are_told_apart),
	    cmocka_unit_test(test_status_lines_of_another_form_are_refused),
	    cmocka_unit_test(test_a_body_needs_one_length_beyond_doubt),
	    cmocka_unit_test(test_what_may_not_pass_is_good_http_all_the_same),
	    cmocka_unit_test(test_head_and_304_have_no_body_whatever_their_length),
	    cmocka_unit_test(test_a_size_that_is_known_stands_for_a_length_that_is_missing),
	    cmocka_unit_test(test_an_error_needs_no_length),
	    cmocka_unit_test(test_304_and_ranges_must_have_been_asked_for),
	    cmocka_unit_test(test_a_partial_answer_is_exactly_the_range_that_was_asked_for),
	    cmocka_unit_test(test_content_range_in_another_form_is_refused),
	    cmocka_unit_test(test_only_the_listed_fields_pass_each_in_its_place),
	    cmocka_unit_test(test_a_field_that_passes_comes_once),
	    cmocka_unit_test(test_the_store_says_whether_its_connection_goes_on),
	    cmocka_unit_test(test_a_204_is_printed_without_a_length),
	};
	return cmocka_run_group_tests_name("response_gate", tests, NULL, NULL);
}
