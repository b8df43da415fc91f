/*
 * Digests: known ones (FIPS 180-4), in memory, in pieces and of files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/digest.h"

static const char abc_sha1[] = "a9993e364706816aba3e25717850c26c9cd0d89d",
                  abc_sha256[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static void
test_bytes_in_memory_have_the_known_digests(void **state)
{
	unsigned char sha256[DIGEST_SHA256_BYTES], sha512[DIGEST_SHA512_BYTES];
	char hex[DIGEST_SHA256_SIZE];

	(void)state;
	digest_sha256("abc", 3, sha256);
	assert_memory_equal(sha256, "\xba\x78\x16\xbf", 4);
	digest_sha512("abc", 3, sha512);
	assert_memory_equal(sha512, "\xdd\xaf\x35\xa1", 4);
	digest_sha256_hex("abc", 3, hex);
	assert_string_equal(hex, abc_sha256);
	digest_sha256_hex("", 0, hex);
	assert_memory_equal(hex, "e3b0c44298fc1c14", 16);
}

static void
test_base64_is_that_of_the_bytes_not_of_the_digits(void **state)
{
	char text[DIGEST_BASE64_SIZE];

	(void)state;
	digest_base64(abc_sha256, text);
	assert_string_equal(text, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
}

static void
test_pieces_make_the_digest_of_the_whole(void **state)
{
	unsigned char whole[DIGEST_SHA256_BYTES], pieces[DIGEST_SHA256_BYTES];
	struct digest_stream *stream = digest_stream_new();

	(void)state;
	digest_stream_add(stream, "a", 1);
	digest_stream_add(stream, "", 0);
	digest_stream_add(stream, "bc", 2);
	digest_stream_end(stream, pieces);
	digest_stream_free(stream);
	digest_stream_free(NULL);
	digest_sha256("abc", 3, whole);
	assert_memory_equal(whole, pieces, sizeof whole);
}

static void
test_a_file_is_read_from_where_it_stands_to_its_end(void **state)
{
	FILE *file = tmpfile();
	struct digest digest;

	(void)state;
	assert_non_null(file);
	assert_true(fputs("skipped abc", file) >= 0);
	assert_int_equal(fflush(file), 0);
	assert_int_equal(lseek(fileno(file), 8, SEEK_SET), 8);
	assert_true(digest_of_file(fileno(file), &digest));
	assert_int_equal(digest.size, 3);
	assert_string_equal(digest.sha1, abc_sha1);
	assert_string_equal(digest.sha256, abc_sha256);
	assert_int_equal(fclose(file), 0);
	assert_false(digest_of_file(-1, &digest));
}

static void
test_a_file_is_what_was_wanted_by_size_and_both_digests(void **state)
{
	struct digest_run *run = digest_run_new();
	struct digest actual, wanted;

	(void)state;
	digest_run_add(run, "abc", 3);
	digest_run_finish(run, &actual);
	digest_run_free(run);
	digest_run_free(NULL);
	wanted = actual;
	assert_true(digest_is(&actual, &wanted));
	wanted.sha256[0] = '\0';
	assert_true(digest_is(&actual, &wanted));
	wanted.sha1[0] = 'b';
	assert_false(digest_is(&actual, &wanted));
	wanted = actual;
	wanted.sha256[0] = 'c';
	assert_false(digest_is(&actual, &wanted));
	wanted = actual;
	wanted.size++;
	assert_false(digest_is(&actual, &wanted));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bytes_in_memory_have_the_known_digests),
	    cmocka_unit_test(test_base64_is_that_of_the_bytes_not_of_the_digits),
	    cmocka_unit_test(test_pieces_make_the_digest_of_the_whole),
	    cmocka_unit_test(test_a_file_is_read_from_where_it_stands_to_its_end),
	    cmocka_unit_test(test_a_file_is_what_was_wanted_by_size_and_both_digests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
