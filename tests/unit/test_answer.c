/*
 * What an answer that is no success means: the kind, whether to try again, and the sentence.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "client/net/answer.h"

#define SERVER "https://updates.example"

static struct failure
judge(long status, const char *body)
{
	struct failure failure;

	memset(&failure, 0xa5, sizeof failure);
	assert_false(answer_judge(SERVER, "/licence", status, body, strlen(body), &failure));
	assert_int_equal(failure.status, status);
	assert_int_equal(failure.retry_after, 0);
	return failure;
}

static void
test_the_status_gives_the_kind(void **state)
{
	(void)state;
	assert_int_equal(judge(302, "").kind, FAILURE_ANSWER);
	assert_int_equal(judge(400, "").kind, FAILURE_REFUSED);
	assert_int_equal(judge(403, "").kind, FAILURE_REFUSED);
	assert_int_equal(judge(404, "").kind, FAILURE_NOT_FOUND);
	assert_int_equal(judge(410, "").kind, FAILURE_NOT_FOUND);
	assert_int_equal(judge(408, "").kind, FAILURE_UNREACHABLE);
	assert_int_equal(judge(429, "").kind, FAILURE_REFUSED);
	assert_int_equal(judge(503, "").kind, FAILURE_UNREACHABLE);
	assert_int_equal(judge(204, "").kind, FAILURE_ANSWER);
}

static void
test_only_some_statuses_pass(void **state)
{
	static const long passing[] = {408, 429, 500, 502, 503, 504},
	                  lasting[] = {204, 302, 400, 403, 404, 410, 412, 416, 501, 505, 507};

	(void)state;
	for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
		assert_true(judge(passing[i], "").passes);
	for (size_t i = 0; i < sizeof lasting / sizeof *lasting; i++)
		assert_false(judge(lasting[i], "").passes);
}

static void
test_a_problem_of_the_gate_is_in_the_sentence(void **state)
{
	const struct failure failure =
	    judge(403, "{\"type\":\"urn:mirrorgate:no-licence\",\"detail\":\"not for acme\","
	               "\"request_id\":\"8f\"}");

	(void)state;
	assert_string_equal(failure.text, SERVER " answers 403 to /licence: no-licence "
	                                         "(not for acme; request 8f)");
	assert_int_equal(failure.kind, FAILURE_REFUSED);
}

static void
test_a_revoked_certificate_is_a_kind_of_its_own(void **state)
{
	(void)state;
	assert_int_equal(judge(403, "{\"type\":\"urn:mirrorgate:certificate-revoked\"}").kind,
	    FAILURE_CERTIFICATE);
	/* Not by anybody else's word. */
	assert_int_equal(
	    judge(403, "{\"type\":\"urn:other:certificate-revoked\"}").kind, FAILURE_REFUSED);
}

static void
test_what_is_no_problem_document_is_not_in_the_sentence(void **state)
{
	static const char *const bodies[] = {"", "<html>secret</html>", "[]", "null", "{",
	    "{\"a\":1}", "{\"type\":7}", "{\"type\":\"about:blank\",\"detail\":\"secret\"}",
	    "{\"type\":\"urn:mirrorgate:a\",\"type\":\"urn:mirrorgate:b\"}"};

	(void)state;
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
		assert_string_equal(judge(403, bodies[i]).text, SERVER " answers 403 to /licence");
}

static void
test_a_redirect_is_not_followed_and_says_so(void **state)
{
	(void)state;
	assert_string_equal(
	    judge(301, "").text, SERVER " answers 301 to /licence: redirects are not followed");
}

static void
test_no_byte_of_a_problem_reaches_the_terminal_unseen(void **state)
{
	const struct failure failure = judge(500,
	    "{\"type\":\"urn:mirrorgate:x\",\"detail\":\"\\u001b[2J\\n\\u0085\\u202e\\u00e9\"}");

	(void)state;
	for (const char *c = failure.text; *c != '\0'; c++)
		assert_true(*c >= ' ' ? *c <= '~' : *c == '\xc3' || *c == '\xa9');
	assert_non_null(strstr(failure.text, "?[2J??????\xc3\xa9"));
}

static void
test_an_endless_detail_is_cut(void **state)
{
	char body[8192] = "{\"type\":\"urn:mirrorgate:x\",\"detail\":\"";
	size_t head = strlen(body);

	(void)state;
	memset(body + head, 'a', sizeof body - head - 3);
	memcpy(body + sizeof body - 3, "\"}", 3);
	assert_true(strlen(judge(500, body).text) < FAILURE_TEXT_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_status_gives_the_kind),
	    cmocka_unit_test(test_only_some_statuses_pass),
	    cmocka_unit_test(test_a_problem_of_the_gate_is_in_the_sentence),
	    cmocka_unit_test(test_a_revoked_certificate_is_a_kind_of_its_own),
	    cmocka_unit_test(test_what_is_no_problem_document_is_not_in_the_sentence),
	    cmocka_unit_test(test_a_redirect_is_not_followed_and_says_so),
	    cmocka_unit_test(test_no_byte_of_a_problem_reaches_the_terminal_unseen),
	    cmocka_unit_test(test_an_endless_detail_is_cut),
	};
	return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
