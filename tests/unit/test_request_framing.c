/*
 * The strict gate: how long a request's body is. Only Content-Length may say so, once, in its one
 * form; every doubt ends the connection.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "request_fixture.h"

static void
test_content_length_has_one_form(void **state)
{
	(void)state;
	static const struct {
		const char *field;
		unsigned long long length;
	} cases[] = {{"Content-Length: 0\r\n", 0}, {"Content-Length:5\r\n", 5},
	    {"content-LENGTH: 262144\r\n", 262144}, {"Content-Length:  5  \r\n", 5},
	    {"Content-Length: 999999999999999999\r\n", 999999999999999999}};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char fields[FIELD_MAX];
		(void)snprintf(fields, sizeof fields, HOST "%s", cases[i].field);
		assert_accepted(judge_fields("PUT", fields), fields);
		assert_true(request.has_content_length);
		assert_true(request.content_length == cases[i].length);
	}
	assert_accepted(judge_fields("PUT", HOST), "no length");
	assert_false(request.has_content_length);
	assert_int_equal(request.content_length, 0);
}

static void
test_content_length_in_every_disguise_is_refused(void **state)
{
	(void)state;
	static const char *const values[] = {"", " ", "+5", "-5", "-0", "0x5", "5h", "05", "00",
	    "5,5", "5, 5", "5,6", ",5", "5,", "5 5", "5;", "5;x", "5.0", "5e0", "\"5\"", "1_0",
	    "five", "5\t", "\t5", "\v5", "5\v", "\f5", "5\x85", "\xa0\x35", "\xd9\xa5", "5\x80",
	    "1000000000000000000", "9223372036854775807", "9223372036854775808",
	    "18446744073709551616", "18446744073709551621", "99999999999999999999999999999999"};

	for (size_t i = 0; i < COUNT(values); i++) {
		char fields[FIELD_MAX];
		(void)snprintf(fields, sizeof fields, HOST "Content-Length: %s\r\n", values[i]);
		assert_malformed(judge_fields("PUT", fields), values[i]);
		assert_malformed(judge_fields("GET", fields), values[i]);
		assert_malformed(judge_fields("POST", fields), values[i]);
	}
}

static void
test_framing_fields_in_doubt_are_refused(void **state)
{
	(void)state;
	static const char *const fields[] = {"Content-Length: 5\r\nContent-Length: 5\r\n",
	    "Content-Length: 5\r\nContent-Length: 6\r\n",
	    "Content-Length: 0\r\nContent-Length: 0\r\n",
	    "Content-Length: 5\r\nCONTENT-LENGTH: 5\r\n",
	    "Content-Length: 5\r\nX: y\r\ncontent-length:\r\n", "Content-Length : 5\r\n",
	    "Content-Length\t: 5\r\n", " Content-Length: 5\r\n", "Content-Length:\r\n 5\r\n",
	    "Content-Length: 1\r\n 0\r\n", "Content_Length: 5\r\n", "content_length: 5\r\n",
	    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
	    "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
	    "Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
	    "Transfer-Encoding:\r\nContent-Length: 0\r\n", "Transfer_Encoding: chunked\r\n",
	    "transfer_encoding: chunked\r\n", "Transfer-Encoding : chunked\r\n",
	    "Transfer-Encoding\v: chunked\r\n", "Transfer-Encoding: \vchunked\r\n",
	    "Transfer-Encoding:\tchunked\r\n", "X: y\r\n Transfer-Encoding: chunked\r\n",
	    "X: y\rTransfer-Encoding: chunked\r\n", "X: y\nTransfer-Encoding: chunked\r\n",
	    "X: y\r\rTransfer-Encoding: chunked\r\n", "Transfer-Encoding\r\n: chunked\r\n",
	    "Transfer\xad-Encoding: chunked\r\n"};

	for (size_t i = 0; i < COUNT(fields); i++) {
		char all[FIELD_MAX];
		(void)snprintf(all, sizeof all, HOST "%s", fields[i]);
		assert_malformed(judge_fields("PUT", all), fields[i]);
	}
}

static void
test_transfer_encoding_wants_a_length_instead(void **state)
{
	(void)state;
	static const char *const values[] = {"chunked", "Chunked", " chunked ", "", "identity",
	    "gzip", "gzip, chunked", "chunked, identity", "chunked, chunked", "xchunked",
	    "chunked;q=1", "\"chunked\"", "'chunked'", "chunked,", "trailers"};
	static const char *const methods[] = {"GET", "HEAD", "PUT", "POST"};

	for (size_t i = 0; i < COUNT(values); i++)
		for (size_t m = 0; m < COUNT(methods); m++) {
			char fields[FIELD_MAX];
			(void)snprintf(
			    fields, sizeof fields, HOST "Transfer-Encoding: %s\r\n", values[i]);
			struct refusal refusal = judge_fields(methods[m], fields);
			assert_refusal(refusal, PROBLEM_LENGTH_REQUIRED, true, fields);
		}
	assert_refusal(judge_fields("PUT", HOST "Transfer-Encoding: chunked\r\n"),
	    PROBLEM_LENGTH_REQUIRED, true, "chunked");
	assert_refusal(judge_fields("PUT", HOST "Transfer-Encoding: chunked\r\n"
	                                        "Transfer-Encoding: chunked\r\n"),
	    PROBLEM_LENGTH_REQUIRED, true, "chunked twice");
	assert_refusal(judge("PUT /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
	    PROBLEM_LENGTH_REQUIRED, true, "HTTP/1.0");
}

static void
test_names_that_resemble_the_framing_fields_but_mean_nothing_are_let_through(void **state)
{
	(void)state;
	static const char *const fields[] = {"Content-Length-X: 7\r\n", "X-Content-Length: 7\r\n",
	    "X-Transfer-Encoding: chunked\r\n", "TE: trailers\r\n", "Trailer: Content-Length\r\n",
	    "ContentLength: 7\r\n", "Content_Type: x\r\n", "Proxy-Connection: close\r\n"};

	for (size_t i = 0; i < COUNT(fields); i++) {
		char all[FIELD_MAX];
		(void)snprintf(all, sizeof all, HOST "%s", fields[i]);
		assert_accepted(judge_fields("GET", all), fields[i]);
		assert_false(request.has_content_length);
		assert_true(request.keeps_alive);
	}
}

static void
test_get_and_head_have_no_body(void **state)
{
	(void)state;
	assert_refusal(judge_fields("GET", HOST "Content-Length: 1\r\n"), PROBLEM_BODY_NOT_ALLOWED,
	    true, "GET");
	assert_refusal(judge_fields("HEAD", HOST "Content-Length: 999\r\n"),
	    PROBLEM_BODY_NOT_ALLOWED, true, "HEAD");
	assert_accepted(judge_fields("GET", HOST "Content-Length: 0\r\n"), "GET 0");
	assert_accepted(judge_fields("HEAD", HOST "Content-Length: 0\r\n"), "HEAD 0");
	assert_accepted(judge_fields("PUT", HOST "Content-Length: 1\r\n"), "PUT");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_content_length_has_one_form),
	    cmocka_unit_test(test_content_length_in_every_disguise_is_refused),
	    cmocka_unit_test(test_framing_fields_in_doubt_are_refused),
	    cmocka_unit_test(test_transfer_encoding_wants_a_length_instead),
	    cmocka_unit_test(
	        test_names_that_resemble_the_framing_fields_but_mean_nothing_are_let_through),
	    cmocka_unit_test(test_get_and_head_have_no_body),
	};
	return cmocka_run_group_tests_name("request_framing", tests, NULL, NULL);
}
