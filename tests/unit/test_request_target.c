/*
 * The strict gate: request targets. What is accepted is the target, decoded once, and is canonical;
 * that holds for a million generated targets too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/path_spelling.h"
#include "random.h"
#include "request_fixture.h"

static struct refusal
judge_target(const char *target)
{
	static char text[HTTP_HEAD_MAX];

	(void)snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HOST "\r\n", target);
	return judge(text);
}

static void
test_canonical_paths_are_accepted_as_they_are(void **state)
{
	(void)state;
	static const char *const targets[] = {"/", "/a", "/a/",
	    "/artifacts/step-core/10.3/core.zip", "/A-Z/a.z/0_9/~+@=:,!$&'()", "/...",
	    "/.hidden/..x/x..", "/a/b.", "/snapshots/prod-1", "/healthz", "/http:/evil.example/",
	    "/@host:443/", "/GET"};

	for (size_t i = 0; i < COUNT(targets); i++) {
		assert_accepted(judge_target(targets[i]), targets[i]);
		assert_true(http_span_is(request.path, targets[i]));
	}
}

static void
test_escapes_are_decoded_once(void **state)
{
	(void)state;
	static const char *const targets[][2] = {{"/%61", "/a"}, {"/a%2Bb%2bc", "/a+b+c"},
	    {"/1.0%7erc1", "/1.0~rc1"}, {"/a%20b", "/a b"}, {"/%23%5B%5d%5E%7B%7d", "/#[]^{}"},
	    {"/[a]^{b}", "/[a]^{b}"}, {"/caf%c3%A9", "/caf\xc3\xa9"}, {"/%2e%2E%2e", "/..."},
	    {"/snapshots%2dx", "/snapshots-x"}, {"/%68ealthz", "/healthz"}};

	for (size_t i = 0; i < COUNT(targets); i++) {
		assert_accepted(judge_target(targets[i][0]), targets[i][0]);
		assert_true(http_span_is(request.path, targets[i][1]));
	}
}

static void
test_a_refusal_that_keeps_the_connection_shows_the_decoded_path(void **state)
{
	(void)state;
	struct refusal refusal = judge("POST /a%2Bb HTTP/1.1\r\n" HOST "\r\n");

	assert_int_equal(refusal.problem, PROBLEM_METHOD_NOT_ALLOWED);
	assert_true(http_span_is(request.path, "/a+b"));
}

static void
test_traversal_and_doubtful_escapes_are_refused_and_keep_the_connection(void **state)
{
	(void)state;
	static const char *const targets[] = {"/..", "/../a", "/a/..", "/a/../b", "/a/../../b",
	    "/.", "/./a", "/a/.", "/a/./b", "//", "//a", "/a//b", "/a//", "/a/..//b", "/%2e%2e/a",
	    "/%2E%2E/a", "/.%2e/a", "/%2e./a", "/a%2fb", "/a%2Fb", "/a%5cb", "/%252e%252e/a",
	    "/%25252e/a", "/%c0%ae%c0%ae/a", "/%e0%80%ae/a", "/%c0%af", "/%uff0e%uff0e/a", "/a%25",
	    "/a%2541", "/a%3fb", "/a%3B", "/a%2a", "/a%7f", "/a%09", "/a%22", "/a%7c", "/a%20",
	    "/%2e%20/a", "/%c3", "/%ff", "/caf%e9", "/e%cc%81", "/%ef%bc%8e%ef%bc%8e/a",
	    "/a%ef%bc%8fb", "/a%c2%85", "/%2", "/%%", "/%2%66", "/%+1", "/%0x1", "/a%", "/a%2",
	    "/a%zz", "/a%00", "/a%0d%0aX:y", "/a\\b", "/..\\b", "/\\\\host\\a", "/a;b", "/..;/a",
	    "/a/..;v=1/b", "/a;jsessionid=1", "/*", "/a*", "/a?b", "/a?", "/?", "/a#b", "/a#",
	    "/a\"b", "/<a>", "/a|b", "/`a"};

	for (size_t i = 0; i < COUNT(targets); i++)
		assert_refusal(judge_target(targets[i]), PROBLEM_MALFORMED_PATH, false, targets[i]);
}

static void
test_bytes_that_are_no_text_are_refused_before_the_path_is_looked_at(void **state)
{
	(void)state;
	static const char *const targets[] = {"/\x01", "/a\x7f", "/a\tb", "/caf\xc3\xa9",
	    "/caf\xe9", "/\xc0\xae\xc0\xae/a", "/\xef\xbc\x8e\xef\xbc\x8e/a", "/a\xe2\x80\xae",
	    "/a\nb", "/a\rb", "/a b", "/a ", "/a\r\n/b"};

	for (size_t i = 0; i < COUNT(targets); i++)
		assert_malformed(judge_target(targets[i]), targets[i]);
	assert_malformed(
	    judged(&any_host, BYTES("GET /a\0b HTTP/1.1\r\n" HOST "\r\n"), &request), "NUL");
}

static void
test_targets_that_are_no_path_are_refused_and_end_the_connection(void **state)
{
	(void)state;
	static const char *const targets[] = {"*", "a", "a/b", "./a", "http://example.com/a",
	    "https://example.com/a", "HTTP://example.com/a", "http://evil.example/", "http:/a",
	    "http:a", "file:///etc/passwd", "example.com", "example.com:443", "[::1]:443", "?a",
	    "#a", "\\a", "%2fa", "@/a", ":443", "h2c"};

	for (size_t i = 0; i < COUNT(targets); i++)
		assert_malformed(judge_target(targets[i]), targets[i]);
}

static void
test_a_path_has_at_most_4096_bytes_and_a_request_line_8_kib(void **state)
{
	(void)state;
	static char target[HTTP_START_LINE_MAX + 1];

	memset(target, 'a', sizeof target - 1);
	target[0] = '/';
	target[PATH_MAX_BYTES] = '\0';
	assert_accepted(judge_target(target), "4096 bytes");
	assert_int_equal(request.path.len, PATH_MAX_BYTES);
	target[PATH_MAX_BYTES] = 'a';
	target[PATH_MAX_BYTES + 1] = '\0';
	assert_refusal(judge_target(target), PROBLEM_URI_TOO_LONG, false, "4097 bytes");
	memcpy(target + PATH_MAX_BYTES - 1, "%41", 4);
	assert_accepted(judge_target(target), "4096 bytes decoded");
	assert_int_equal(request.path.len, PATH_MAX_BYTES);
	memcpy(target + PATH_MAX_BYTES - 1, "a%41", 5);
	assert_refusal(judge_target(target), PROBLEM_URI_TOO_LONG, false, "4097 bytes decoded");
	memset(target + 1, 'a', sizeof target - 2);
	target[PATH_MAX_BYTES + 1] = 'a';
	assert_refusal(judge_target(target), PROBLEM_URI_TOO_LONG, true, "8 KiB");
}

/* Appends a random piece of a target at END: often good, sometimes one of the known tricks, and
 * sometimes any byte at all. */
static char *
append_piece(uint64_t *seed, char *end)
{
	static const char *const good[] = {"/", "a", "/b", "c/", "core", ".zip", "-1", "10.3",
	    "~+@=", ":,!$&'()", "/snapshots/", "/x.y"};
	static const char *const tricks[] = {"..", "/../", ".", "/./", "//", "%2e", "%2F", "%252e",
	    "%20", "%C3%A9", "%cc%81", "%41", "\\", ";", "?", "#", "*", "%", "%00", "\xc0\xae",
	    "http://", "\x7f", " ", "\t", "\r\n", "\"", "{}", "..;/"};
	size_t choice = random_below(seed, 32);

	if (choice == 0) {
		*end = (char)random_below(seed, 256);
		return end + 1;
	}
	const char *piece = choice < 4 ? tricks[random_below(seed, COUNT(tricks))]
	                               : good[random_below(seed, COUNT(good))];
	size_t len = strlen(piece);
	memcpy(end, piece, len);
	return end + len;
}

/* Writes the head of a request for a random target, and returns the head's length. */
static size_t
random_request(uint64_t *seed, char *text, struct http_span *target)
{
	static const char *const methods[] = {"GET ", "HEAD ", "PUT "};
	static const char tail[] = " HTTP/1.1\r\n" HOST "\r\n";
	const char *method = methods[random_below(seed, COUNT(methods))];
	size_t method_len = strlen(method);
	char *end = text + method_len;

	memcpy(text, method, method_len);
	if (random_below(seed, 16) != 0)
		*end++ = '/';
	for (size_t n = random_below(seed, 7); n > 0; n--)
		end = append_piece(seed, end);
	*target = (struct http_span){text + method_len, (size_t)(end - text) - method_len};
	memcpy(end, tail, sizeof tail - 1);
	return (size_t)(end - text) + sizeof tail - 1;
}

static bool
is_accepted(const char *text, size_t len)
{
	static char room[PATH_ROOM];
	struct http_scan scan = {0};

	return http_scan_head(&scan, text, len) == HTTP_SCAN_COMPLETE &&
	       request_gate_check(&any_host, text, scan.head_len, room, &request).problem ==
	           PROBLEM_NONE;
}

static bool
has_only_visible_ascii(struct http_span target)
{
	for (size_t i = 0; i < target.len; i++)
		if (target.bytes[i] <= ' ' || target.bytes[i] > '~')
			return false;
	return true;
}

static void
test_of_a_million_targets_those_accepted_are_canonical_once_decoded(void **state)
{
	(void)state;
	enum { TARGETS = 1000000, DRIPPED = 64 };
	uint64_t seed = 1;
	int accepted = 0;

	for (int i = 0; i < TARGETS; i++) {
		char text[512];
		struct http_span target;
		size_t len = random_request(&seed, text, &target);
		char path[PATH_ROOM];
		size_t path_len;
		bool is_canonical =
		    has_only_visible_ascii(target) &&
		    path_spelling_decode(target.bytes, target.len, path, &path_len) == NULL &&
		    path_defect(path, path_len) == NULL;

		if (is_accepted(text, len) != is_canonical)
			fail_msg("target %d: \"%.*s\": canonical is %d", i, (int)target.len,
			    target.bytes, is_canonical);
		if (i % DRIPPED == 0)
			assert_int_equal(is_canonical,
			    judged(&any_host, text, len, &request).problem == PROBLEM_NONE);
		if (!is_canonical)
			continue;
		accepted++;
		assert_int_equal(request.path.len, path_len);
		assert_memory_equal(request.path.bytes, path, path_len);
	}
	/* Both outcomes were really tried. */
	assert_in_range(accepted, TARGETS / 5, TARGETS / 5 * 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_canonical_paths_are_accepted_as_they_are),
	    cmocka_unit_test(test_escapes_are_decoded_once),
	    cmocka_unit_test(test_a_refusal_that_keeps_the_connection_shows_the_decoded_path),
	    cmocka_unit_test(
	        test_traversal_and_doubtful_escapes_are_refused_and_keep_the_connection),
	    cmocka_unit_test(test_bytes_that_are_no_text_are_refused_before_the_path_is_looked_at),
	    cmocka_unit_test(test_targets_that_are_no_path_are_refused_and_end_the_connection),
	    cmocka_unit_test(test_a_path_has_at_most_4096_bytes_and_a_request_line_8_kib),
	    cmocka_unit_test(test_of_a_million_targets_those_accepted_are_canonical_once_decoded),
	};
	return cmocka_run_group_tests_name("request_target", tests, NULL, NULL);
}
