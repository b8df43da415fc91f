/*
 * Content-Digest: read strictly, compared completely.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/request/content_digest.h"

/* The example of RFC 9530, B.1: {"hello": "world"} and a line feed. */
static const char hello[] = "{\"hello\": \"world\"}\n";
#define HELLO_256 "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="
#define HELLO_512                                                  \
	"YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCs" \
	"yRZOtw8MjkM7iw7yZ/WkppmM44T3qg=="

static bool
parse(const char *value, struct content_digest *digest)
{
	return content_digest_parse((struct http_span){value, strlen(value)}, digest);
}

static const char *
mismatch(const char *value, const char *bytes)
{
	struct content_digest digest;

	if (!parse(value, &digest))
		fail_msg("cannot be read: %s", value);
	return content_digest_mismatch(&digest, bytes, strlen(bytes));
}

static void
test_the_digests_of_the_rfc_match_their_content(void **state)
{
	(void)state;
	assert_null(mismatch("sha-256=:" HELLO_256 ":", hello));
	assert_null(mismatch("sha-512=:" HELLO_512 ":", hello));
	assert_null(mismatch("sha-256=:" HELLO_256 ": , sha-512=:" HELLO_512 ":", hello));
}

static void
test_any_digest_that_differs_is_named(void **state)
{
	(void)state;
	assert_string_equal(mismatch("sha-256=:" HELLO_256 ":", "other"), "sha-256");
	assert_string_equal(mismatch("sha-512=:" HELLO_512 ":", "other"), "sha-512");
	assert_string_equal(
	    mismatch("sha-512=:" HELLO_512 ":,sha-256=:" HELLO_256 ":", ""), "sha-256");
	/* One good member does not stand in for a bad one. */
	assert_string_equal(
	    mismatch("sha-256=:" HELLO_256 ":, sha-512=:" HELLO_512 ":", "x"), "sha-256");
	assert_string_equal(
	    mismatch("sha-256=:SK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:", hello), "sha-256");
}

static void
test_other_algorithms_are_passed_over(void **state)
{
	(void)state;
	assert_null(mismatch("md5=:Sd/dVLAcvNLSq16eXua5uQ==:", hello));
	assert_null(mismatch("md5=:AAAA:, sha-256=:" HELLO_256 ":", hello));
	assert_null(mismatch("*x-1.2_3=::", hello));
}

static void
test_what_is_no_dictionary_of_byte_sequences_is_refused(void **state)
{
	static const char *const values[] = {"", " ", ",", "sha-256",
	    "sha-256=", "sha-256=:", "sha-256=::", "sha-256=" HELLO_256,
	    "sha-256=\"" HELLO_256 "\"", "SHA-256=:" HELLO_256 ":", "Sha-256=:" HELLO_256 ":",
	    "=:" HELLO_256 ":", "1=:AAAA:", "sha-256 =:" HELLO_256 ":", "sha-256= :" HELLO_256 ":",
	    "sha-256=:" HELLO_256 ":,", "sha-256=:" HELLO_256 ":, ,", "sha-256=:" HELLO_256 ":;a=1",
	    "sha-256=:" HELLO_256 ": x", "sha-256=:" HELLO_256 ":,sha-256=:" HELLO_256 ":",
	    "sha-512=:" HELLO_512 ":,sha-512=:" HELLO_512 ":", "sha-256=:" HELLO_512 ":",
	    "sha-512=:" HELLO_256 ":",
	    "md5=:AAA:", "md5=:A:", "md5=:A===:", "md5=:AA=A:", "md5=:AAA*:", "md5=:AAB=:",
	    "md5=:AB==:", "md5=:AA A:", "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDh=:",
	    "sha-256=:RK_0qy18MlBSVnWgjwz6lZEWjP_lF5HF9bvEF8FabDg=:"};
	struct content_digest digest;

	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		if (parse(values[i], &digest))
			fail_msg("was read: %s", values[i]);
}

static void
test_every_changed_character_is_refused_or_another_digest(void **state)
{
	char value[] = "sha-256=:" HELLO_256 ":";
	struct content_digest digest;
	const size_t key = strlen("sha-256");

	(void)state;
	for (size_t i = 0; i < sizeof value - 1; i++) {
		char before = value[i];
		for (int c = 1; c < 256; c++) {
			value[i] = (char)c;
			if ((char)c == before || !parse(value, &digest))
				continue;
			/* Another algorithm's name is nothing to check; all else is a mismatch. */
			if (i >= key || digest.has_sha256)
				assert_string_equal(
				    content_digest_mismatch(&digest, hello, strlen(hello)),
				    "sha-256");
		}
		value[i] = before;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_digests_of_the_rfc_match_their_content),
	    cmocka_unit_test(test_any_digest_that_differs_is_named),
	    cmocka_unit_test(test_other_algorithms_are_passed_over),
	    cmocka_unit_test(test_what_is_no_dictionary_of_byte_sequences_is_refused),
	    cmocka_unit_test(test_every_changed_character_is_refused_or_another_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
