/*
 * The strict gate: request line, Host, Connection, Upgrade and Expect.
 *
 * Framing, targets and conditions have files of their own. Each case is delivered in one piece and
 * byte by byte.
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
test_the_three_methods_and_two_versions_are_accepted(void **state)
{
	(void)state;
	assert_accepted(judge_line("GET /a HTTP/1.1"), "GET");
	assert_int_equal(request.method, METHOD_GET);
	assert_true(request.keeps_alive);
	assert_accepted(judge_line("HEAD /a HTTP/1.1"), "HEAD");
	assert_int_equal(request.method, METHOD_HEAD);
	assert_accepted(judge_line("PUT /a HTTP/1.1"), "PUT");
	assert_int_equal(request.method, METHOD_PUT);
	assert_accepted(judge_line("GET /a HTTP/1.0"), "1.0");
	assert_false(request.keeps_alive);
	assert_true(http_span_is(request.method_text, "GET"));
	assert_true(http_span_is(request.path, "/a"));
}

static void
test_request_lines_of_another_form_are_refused(void **state)
{
	(void)state;
	static const char *const lines[] = {"GET", "GET ", "GET /a", "GET /a ", "GET  /a HTTP/1.1",
	    "GET /a  HTTP/1.1", "GET /a HTTP/1.1 ", "GET /a b HTTP/1.1", "/a HTTP/1.1",
	    "GET HTTP/1.1", " GET /a HTTP/1.1", "GET\t/a HTTP/1.1", "GET /a HTTP/1.2",
	    "GET /a HTTP/1.9", "GET /a HTTP/2.0", "GET /a HTTP/0.9", "GET /a HTTP/1.10",
	    "GET /a HTTP/01.1", "GET /a HTTP/1.01", "GET /a http/1.1", "GET /a HTTP/1",
	    "GET /a HTTP/1.", "GET /a HTTP/11", "GET /a HTTP/1,1", "GET /a HTTP/1.1x",
	    "GET /a HTTPS/1.1", "GET /a HTTP 1.1", "GET /a /1.1", "GET /a ICE/1.0",
	    "PRI * HTTP/2.0", "G\xc9T /a HTTP/1.1", "EHLO example.com"};

	for (size_t i = 0; i < COUNT(lines); i++)
		assert_malformed(judge_line(lines[i]), lines[i]);
}

static void
test_words_that_are_no_method_are_unknown(void **state)
{
	(void)state;
	static const char *const lines[] = {"get /a HTTP/1.1", "Get /a HTTP/1.1",
	    "GETT /a HTTP/1.1", "GE /a HTTP/1.1", "FETCH /a HTTP/1.1", "PRI * HTTP/1.1",
	    "put /a HTTP/1.1", "G:T /a HTTP/1.1", "\"GET\" /a HTTP/1.1", "MSEARCH /a HTTP/1.1"};

	for (size_t i = 0; i < COUNT(lines); i++)
		assert_refusal(judge_line(lines[i]), PROBLEM_METHOD_UNKNOWN, true, lines[i]);
}

static void
test_connect_ends_the_connection(void **state)
{
	(void)state;
	static const char *const lines[] = {"CONNECT example.com:443 HTTP/1.1",
	    "CONNECT /a HTTP/1.1", "CONNECT example.com:443 HTTP/1.0"};

	for (size_t i = 0; i < COUNT(lines); i++)
		assert_refusal(judge_line(lines[i]), PROBLEM_METHOD_NOT_ALLOWED, true, lines[i]);
}

static void
test_trace_is_not_allowed(void **state)
{
	(void)state;
	assert_int_equal(judge_line("TRACE /a HTTP/1.1").problem, PROBLEM_METHOD_NOT_ALLOWED);
	assert_int_equal(judge_line("TRACE * HTTP/1.0").problem, PROBLEM_METHOD_NOT_ALLOWED);
}

static void
test_other_known_methods_are_not_allowed_and_keep_the_connection(void **state)
{
	(void)state;
	static const char *const methods[] = {"POST", "DELETE", "OPTIONS", "PATCH", "COPY", "LOCK",
	    "MKCOL", "MOVE", "PROPFIND", "PROPPATCH", "SEARCH", "UNLOCK", "BIND", "REBIND",
	    "UNBIND", "ACL", "REPORT", "MKACTIVITY", "CHECKOUT", "MERGE", "M-SEARCH", "NOTIFY",
	    "SUBSCRIBE", "UNSUBSCRIBE", "PURGE", "MKCALENDAR", "LINK", "UNLINK", "SOURCE"};

	for (size_t i = 0; i < COUNT(methods); i++) {
		assert_refusal(judge_fields(methods[i], HOST "Content-Length: 7\r\n"),
		    PROBLEM_METHOD_NOT_ALLOWED, false, methods[i]);
		assert_int_equal(request.content_length, 7);
		assert_true(request.keeps_alive);
	}
	assert_refusal(
	    judge_line("OPTIONS * HTTP/1.1"), PROBLEM_METHOD_NOT_ALLOWED, false, "OPTIONS *");
}

static void
assert_host(const char *host, bool accepted)
{
	char fields[FIELD_MAX];

	(void)snprintf(fields, sizeof fields, "Host: %s\r\n", host);
	if (accepted)
		assert_accepted(judge_fields("GET", fields), fields);
	else
		assert_malformed(judge_fields("GET", fields), fields);
}

static void
test_host_is_a_name_or_an_address_with_an_optional_port(void **state)
{
	(void)state;
	static const char *const hosts[] = {"example.com", "EXAMPLE.com", "a", "a_b.example",
	    "192.0.2.1", "[2001:db8::1]", "[::1]:8443", "[::ffff:192.0.2.1]", "example.com:443",
	    "example.com:1", "example.com:65535", " example.com "};
	static const char *const others[] = {"", " ", "a b", "a/b", "a/", "u@h", "u:p@h",
	    "h:", "h:0", "h:65536", "h:0443", "h:+1", "h:-1", "h:4 43", "h:80:80", "h:http", ":443",
	    "[::1", "::1", "[]", "[::g]", "[::1]x", "[::1]443", "[::1]:", "x[::1]", "[v1.x]", "a,b",
	    "a,", "http://h", "h?x", "h#x", "h\\x", "ex%61mple.com", "*", "h;x", "\"h\"", "h!",
	    "h\t", "caf\xc3\xa9", "h\x80"};

	for (size_t i = 0; i < COUNT(hosts); i++)
		assert_host(hosts[i], true);
	for (size_t i = 0; i < COUNT(others); i++)
		assert_host(others[i], false);
}

static void
test_host_has_at_most_255_bytes(void **state)
{
	(void)state;
	char host[257];

	memset(host, 'a', sizeof host);
	host[255] = '\0';
	assert_host(host, true);
	host[255] = 'a';
	host[256] = '\0';
	assert_host(host, false);
}

static void
test_host_comes_once_and_only_http_1_0_may_lack_it(void **state)
{
	(void)state;
	assert_accepted(judge_fields("GET", HOST), "once");
	assert_malformed(judge_fields("GET", ""), "missing");
	assert_malformed(judge_fields("GET", HOST HOST), "twice the same");
	assert_malformed(judge_fields("GET", HOST "hOST: other\r\n"), "twice");
	assert_malformed(judge_fields("GET", "Host : example.com\r\n"), "space");
	assert_malformed(judge_fields("GET", HOST "Host_: x\r\n"
	                                          " y\r\n"),
	    "folded");
	assert_accepted(judge("GET /a HTTP/1.0\r\n\r\n"), "1.0");
	assert_accepted(judge("GET /a HTTP/1.0\r\n" HOST "\r\n"), "1.0 with Host");
	assert_malformed(judge("GET /a HTTP/1.0\r\n" HOST HOST "\r\n"), "1.0 twice");
	assert_malformed(judge("GET /a HTTP/1.0\r\nHost: a/b\r\n\r\n"), "1.0 malformed");
}

static void
test_only_hosts_of_this_server_are_served(void **state)
{
	(void)state;
	char *names[] = {(char[]){"updates.example.com"}, (char[]){"m1.example.com"}};
	const struct request_gate gate = {names, 2};
	static const char *const ours[] = {
	    "updates.example.com", "UPDATES.Example.com", "m1.example.com:443"};
	static const char *const others[] = {"example.com", "updates.example.com.",
	    "xupdates.example.com", "updates.example.comx", "updates", "127.0.0.1", "[::1]",
	    "updates-example.com", "m1.example.com.evil.example:443"};
	char text[FIELD_MAX];

	for (size_t i = 0; i < COUNT(ours) + COUNT(others); i++) {
		bool is_ours = i < COUNT(ours);
		const char *host = is_ours ? ours[i] : others[i - COUNT(ours)];
		int len = snprintf(text, sizeof text,
		    "PUT /a HTTP/1.1\r\nHost: %s\r\nContent-Length: 3\r\n\r\n", host);
		struct refusal refusal = judged(&gate, text, (size_t)len, &request);
		assert_refusal(refusal, is_ours ? PROBLEM_NONE : PROBLEM_MISDIRECTED, false, host);
		assert_int_equal(request.content_length, 3);
	}
}

static void
test_upgrade_in_any_form_is_refused(void **state)
{
	(void)state;
	static const char *const fields[] = {"Upgrade: websocket\r\n", "upgrade: h2c\r\n",
	    "Upgrade:\r\n", "Connection: Upgrade\r\nUpgrade: websocket\r\n",
	    "Connection: upgrade\r\n", "Connection: keep-alive, UPGRADE\r\n",
	    "Connection: close\r\nConnection: x ,upgrade\r\n",
	    "HTTP2-Settings: AAMAAABkAARAAAAA\r\n",
	    "Connection: HTTP2-Settings\r\nHTTP2-Settings: A\r\n",
	    "Upgrade: TLS/1.0\r\nContent-Length: 5\r\n"};

	for (size_t i = 0; i < COUNT(fields); i++) {
		char all[FIELD_MAX];
		(void)snprintf(all, sizeof all, HOST "%s", fields[i]);
		assert_malformed(judge_fields("PUT", all), fields[i]);
	}
}

static void
test_connection_close_is_heard_and_other_options_mean_nothing(void **state)
{
	(void)state;
	static const struct {
		const char *field;
		bool keeps_alive;
	} cases[] = {{"Connection: close\r\n", false}, {"Connection: Close\r\n", false},
	    {"Connection: keep-alive, close\r\n", false},
	    {"Connection: keep-alive\r\nConnection: close\r\n", false},
	    {"Connection: keep-alive\r\n", true}, {"Connection:\r\n", true},
	    {"Connection: closed\r\n", true}, {"Connection: Host, Content-Length\r\n", true},
	    {"X-Connection: close\r\n", true}};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char all[FIELD_MAX];
		(void)snprintf(all, sizeof all, HOST "%s", cases[i].field);
		assert_accepted(judge_fields("GET", all), all);
		if (request.keeps_alive != cases[i].keeps_alive)
			fail_msg("%s: keeps_alive is %d", cases[i].field, request.keeps_alive);
	}
	assert_accepted(judge("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), "1.0");
	assert_false(request.keeps_alive);
}

static void
test_only_100_continue_may_be_expected(void **state)
{
	(void)state;
	static const char *const fields[] = {"Expect: 200-ok\r\n", "Expect:\r\n",
	    "Expect: 100-continue, x\r\n", "Expect: 100-continued\r\n", "Expect: 100\r\n",
	    "Expect: 100-continue;q=1\r\n", "Expect: 100-continue\r\nExpect: 100-continue\r\n"};

	for (size_t i = 0; i < COUNT(fields); i++) {
		char all[FIELD_MAX];
		(void)snprintf(all, sizeof all, HOST "Content-Length: 5\r\n%s", fields[i]);
		assert_refusal(
		    judge_fields("PUT", all), PROBLEM_EXPECTATION_FAILED, true, fields[i]);
	}
	assert_accepted(
	    judge_fields("PUT", HOST "Content-Length: 5\r\nExpect: 100-Continue\r\n"), "once");
	assert_true(request.expects_continue);
	assert_accepted(judge_fields("PUT", HOST "Expect: 100-continue\r\n"), "no body");
	assert_false(request.expects_continue);
	assert_accepted(
	    judge("PUT /a HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"),
	    "HTTP/1.0");
	assert_false(request.expects_continue);
}

static void
test_fields_of_the_body_come_once(void **state)
{
	(void)state;
	assert_accepted(judge_fields("PUT", HOST "Content-Length: 5\r\n"
	                                         "Content-Type: application/json\r\n"
	                                         "Content-Digest: sha-256=:x:\r\n"),
	    "once");
	assert_true(http_span_is(request.content_type, "application/json"));
	assert_true(http_span_is(request.content_digest, "sha-256=:x:"));
	assert_accepted(judge_fields("PUT", HOST), "absent");
	assert_null(request.content_type.bytes);
	assert_null(request.content_digest.bytes);
	struct refusal refusal = judge_fields("PUT", HOST "Content-Type: a\r\ncontent-type: a\r\n");
	assert_int_equal(refusal.problem, PROBLEM_MALFORMED_REQUEST);
	refusal = judge_fields("PUT", HOST "Content-Digest: a\r\nContent-Digest: b\r\n");
	assert_int_equal(refusal.problem, PROBLEM_MALFORMED_REQUEST);
}

static void
test_identity_and_method_override_fields_change_nothing(void **state)
{
	(void)state;
	struct request plain;

	assert_accepted(judge_fields("GET", HOST), "plain");
	plain = request;
	assert_accepted(judge_fields("GET",
	                    HOST "X-HTTP-Method-Override: PUT\r\nX-HTTP-Method: DELETE\r\n"
	                         "X-Original-URL: /b\r\nX-Rewrite-URL: /b\r\n"
	                         "X-Forwarded-Host: evil\r\nForwarded: host=evil\r\n"
	                         "X-Mirrorgate-Customer: globex\r\nSSL_CLIENT_S_DN: CN=globex\r\n"
	                         "X-SSL-Client-DN: CN=globex\r\nX-Client-Cert: x\r\n"
	                         "X-ARR-ClientCert: x\r\nX-Forwarded-Client-Cert: x\r\n"
	                         "Authorization: Basic eDp5\r\nX-Request-Id: 1\r\n"),
	    "spoofed");
	assert_int_equal(request.method, plain.method);
	assert_true(http_span_is(request.path, "/a"));
	assert_int_equal(request.keeps_alive, plain.keeps_alive);
	assert_int_equal(request.content_length, 0);
	assert_int_equal(request.range.form, RANGE_NONE);
}

static void
test_each_failed_scan_has_its_refusal_and_closes(void **state)
{
	(void)state;
	char line[HTTP_START_LINE_MAX + 64];
	char fields[HTTP_FIELDS_MAX_BYTES + 64];

	memset(line, 'a', sizeof line);
	memcpy(line, "GET /", 5);
	assert_refusal(judged(&any_host, line, sizeof line, &request), PROBLEM_URI_TOO_LONG, true,
	    "long line");
	memset(fields, 'a', sizeof fields);
	memcpy(fields, "GET /a HTTP/1.1\r\nX:", 19);
	assert_refusal(judged(&any_host, fields, sizeof fields, &request),
	    PROBLEM_HEADERS_TOO_LARGE, true, "large fields");
	assert_malformed(judge("GET /a HTTP/1.1\r\nHost: h\n\r\n"), "bare LF");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_three_methods_and_two_versions_are_accepted),
	    cmocka_unit_test(test_request_lines_of_another_form_are_refused),
	    cmocka_unit_test(test_words_that_are_no_method_are_unknown),
	    cmocka_unit_test(test_connect_ends_the_connection),
	    cmocka_unit_test(test_trace_is_not_allowed),
	    cmocka_unit_test(test_other_known_methods_are_not_allowed_and_keep_the_connection),
	    cmocka_unit_test(test_host_is_a_name_or_an_address_with_an_optional_port),
	    cmocka_unit_test(test_host_has_at_most_255_bytes),
	    cmocka_unit_test(test_host_comes_once_and_only_http_1_0_may_lack_it),
	    cmocka_unit_test(test_only_hosts_of_this_server_are_served),
	    cmocka_unit_test(test_upgrade_in_any_form_is_refused),
	    cmocka_unit_test(test_connection_close_is_heard_and_other_options_mean_nothing),
	    cmocka_unit_test(test_only_100_continue_may_be_expected),
	    cmocka_unit_test(test_fields_of_the_body_come_once),
	    cmocka_unit_test(test_identity_and_method_override_fields_change_nothing),
	    cmocka_unit_test(test_each_failed_scan_has_its_refusal_and_closes),
	};
	return cmocka_run_group_tests_name("request_gate", tests, NULL, NULL);
}
