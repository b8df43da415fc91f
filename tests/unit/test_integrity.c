/*
 * One download held against its catalogue: the client's conditions, the store's lengths, the body
 * piece by piece; and the marks that all workers share.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/digest.h"
#include "gateway/request/integrity.h"

#define PATH "/core/1/a"
#define REFUSED "/core/2/"
#define CONTENT "some text"
/* SHA-256 of CONTENT, made with sha256sum(1) and base64(1). */
#define HEX "b94f6f125c79e3a5ffaa826f584c10d52ada669e6762051b826b55776d05aed2"
#define BASE64 "uU9vElx546X/qoJvWEwQ1SraZp5nYgUbgmtVd20FrtI="
#define TAG "\"" HEX "\""

enum { SIZE = sizeof CONTENT - 1 };

static struct catalogue_image *image;
static struct integrity_marks *marks;
static struct request request;
static struct response response;
static struct integrity integrity;

static int
set_up(void **state)
{
	static const unsigned char origin[CATALOGUE_IMAGE_DIGEST];
	struct catalogue_image_version refused = {.state = CATALOGUE_IMAGE_REFUSED};
	struct catalogue_image_file file = {.size = SIZE};
	const char *defect;
	int fd = memfd_create("test", MFD_CLOEXEC);

	(void)state;
	struct catalogue_image_writer *writer = catalogue_image_writer_new(fd);
	digest_sha256(CONTENT, SIZE, file.sha256);
	catalogue_image_writer_add_file(writer, PATH, &file);
	catalogue_image_writer_add_version(writer, REFUSED, &refused);
	if (!catalogue_image_writer_end(writer, origin, 0))
		return -1;
	image = catalogue_image_open(fd, &defect);
	close(fd);
	marks = integrity_marks_new();
	return image != NULL && marks != NULL ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	integrity_fini(&integrity);
	integrity_marks_free(marks);
	catalogue_image_free(image);
	return 0;
}

static struct http_span
span(const char *text)
{
	return (struct http_span){text, strlen(text)};
}

static void
ask_for(const char *path)
{
	integrity_fini(&integrity);
	integrity = (struct integrity){0};
	request = (struct request){.method = METHOD_GET, .path = span(path)};
}

static enum integrity_verdict
begin(void)
{
	return integrity_begin(&integrity, image, marks, &request);
}

/* --- conditions */

static void
test_a_path_that_no_catalogue_knows_keeps_its_conditions(void **state)
{
	(void)state;
	ask_for("/core/1/b");
	request.if_none_match = span("*");
	request.if_range = span("\"x\"");
	request.range.form = RANGE_FROM;
	assert_int_equal(begin(), INTEGRITY_ASK_STORE);
	assert_false(integrity.is_known);
	assert_non_null(request.if_none_match.bytes);
	assert_non_null(request.if_range.bytes);
	assert_int_equal(request.range.form, RANGE_FROM);
	ask_for(PATH);
	assert_int_equal(integrity_begin(&integrity, NULL, marks, &request), INTEGRITY_ASK_STORE);
	assert_false(integrity.is_known);
}

static void
test_a_path_below_a_refused_catalogue_is_not_trusted(void **state)
{
	(void)state;
	ask_for(REFUSED "a");
	assert_int_equal(begin(), INTEGRITY_NOT_TRUSTED);
}

static void
test_if_none_match_is_decided_by_the_weak_comparison(void **state)
{
	static const char *const matching[] = {
	    TAG, "W/" TAG, "*", "\"a\", " TAG, "\"a\",\"b\" ,W/" TAG, TAG ",,\"c\""};
	static const char *const others[] = {
	    "\"\"", "\"" HEX "0\"", "W/\"" HEX "0\"", "\"a\", \"b\"", "W/\"W/" HEX "\""};

	(void)state;
	for (size_t i = 0; i < sizeof matching / sizeof *matching; i++) {
		ask_for(PATH);
		request.if_none_match = span(matching[i]);
		request.is_conditional = true;
		assert_int_equal(begin(), INTEGRITY_NOT_MODIFIED);
	}
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		ask_for(PATH);
		request.if_none_match = span(others[i]);
		request.is_conditional = true;
		assert_int_equal(begin(), INTEGRITY_ASK_STORE);
		assert_null(request.if_none_match.bytes);
		assert_false(request.is_conditional);
	}
}

static void
test_if_range_keeps_the_range_only_with_our_tag(void **state)
{
	static const char *const others[] = {
	    "\"a\"", "\"" HEX "0\"", "Thu, 01 Jan 2026 00:00:00 GMT"};

	(void)state;
	ask_for(PATH);
	request.range.form = RANGE_FROM;
	request.if_range = span(TAG);
	assert_int_equal(begin(), INTEGRITY_ASK_STORE);
	assert_null(request.if_range.bytes);
	assert_int_equal(request.range.form, RANGE_FROM);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		ask_for(PATH);
		request.range.form = RANGE_FROM;
		request.if_range = span(others[i]);
		assert_int_equal(begin(), INTEGRITY_ASK_STORE);
		assert_null(request.if_range.bytes);
		assert_int_equal(request.range.form, RANGE_NONE);
	}
}

static void
test_a_date_alone_is_the_stores_to_judge(void **state)
{
	(void)state;
	ask_for(PATH);
	request.has_if_modified_since = request.is_conditional = true;
	assert_int_equal(begin(), INTEGRITY_ASK_STORE);
	assert_true(request.has_if_modified_since && request.is_conditional);
}

/* --- the store's answer */

static const char *
answered(unsigned status, unsigned long long length, unsigned long long complete)
{
	ask_for(PATH);
	assert_int_equal(begin(), INTEGRITY_ASK_STORE);
	response = (struct response){.status = status,
	    .content_length = length,
	    .has_content_length = true,
	    .has_body = length > 0,
	    .complete_length = complete,
	    .has_complete_length = status != 200};
	return integrity_answer_defect(&integrity, &response);
}

static void
test_lengths_must_be_those_of_the_catalogue(void **state)
{
	(void)state;
	assert_null(answered(200, SIZE, 0));
	assert_non_null(answered(200, SIZE - 1, 0));
	assert_non_null(answered(200, SIZE + 1, 0));
	assert_non_null(answered(200, 0, 0));
	assert_null(answered(206, 2, SIZE));
	assert_non_null(answered(206, 2, SIZE + 1));
	assert_non_null(answered(206, SIZE, SIZE - 1));
	assert_null(answered(416, 5, SIZE));
	assert_non_null(answered(416, 5, 1));
	assert_null(answered(404, 100, 0));
	assert_null(answered(410, 100, 0));
	assert_null(answered(304, 0, 0));
}

/* Many stores send it so, and any client can ask for it: it must not be held against the path. */
static void
test_a_416_that_says_no_length_says_nothing_wrong(void **state)
{
	(void)state;
	assert_null(answered(416, 5, SIZE));
	response.has_complete_length = false;
	assert_null(integrity_answer_defect(&integrity, &response));
}

static void
test_an_answer_to_head_may_leave_the_length_out(void **state)
{
	(void)state;
	assert_null(answered(200, SIZE, 0));
	response.has_content_length = response.has_body = false;
	response.content_length = 0;
	assert_null(integrity_answer_defect(&integrity, &response));
}

static void
test_encoded_content_is_refused(void **state)
{
	(void)state;
	(void)answered(200, SIZE, 0);
	response.passed[response.passed_count++] =
	    (struct http_field){span("Content-Encoding"), span("identity")};
	assert_non_null(integrity_answer_defect(&integrity, &response));
}

static void
print_with_theirs(unsigned status, struct buffer *out)
{
	(void)answered(status, SIZE, SIZE);
	response.passed[0] = (struct http_field){span("Content-Type"), span("text/plain")};
	response.passed[1] = (struct http_field){span("ETag"), span("\"theirs\"")};
	response.passed[2] = (struct http_field){span("Expires"), span("0")};
	response.passed[3] = (struct http_field){span("Repr-Digest"), span("sha-256=:AAAA:")};
	response.passed_count = 4;
	integrity_print_answer(&integrity, &response, out);
	buffer_append(out, "", 1);
}

static void
test_our_fields_take_the_place_of_the_stores(void **state)
{
	struct buffer out = {0};

	(void)state;
	print_with_theirs(200, &out);
	assert_string_equal(buffer_bytes(&out),
	    "Content-Length: 9\r\nContent-Type: text/plain\r\nExpires: 0\r\nETag: " TAG
	    "\r\nRepr-Digest: sha-256=:" BASE64 ":\r\n");
	buffer_fini(&out);
	print_with_theirs(416, &out);
	assert_non_null(strstr(buffer_bytes(&out), "ETag: \"theirs\"\r\n"));
	assert_null(strstr(buffer_bytes(&out), HEX));
	buffer_fini(&out);
}

/* --- the body */

static void
test_the_right_body_passes_in_any_pieces(void **state)
{
	(void)state;
	for (size_t piece = 1; piece <= SIZE; piece++) {
		assert_null(answered(200, SIZE, 0));
		for (size_t at = 0; at < SIZE; at += piece) {
			size_t n = SIZE - at < piece ? SIZE - at : piece;
			assert_true(
			    integrity_add_piece(&integrity, &CONTENT[at], n, at + n == SIZE));
		}
	}
}

static void
test_any_wrong_byte_shows_with_the_last_piece(void **state)
{
	char wrong[] = CONTENT;

	(void)state;
	for (size_t at = 0; at < SIZE; at++) {
		wrong[at] ^= 1;
		assert_null(answered(200, SIZE, 0));
		assert_true(integrity_add_piece(&integrity, wrong, 4, false));
		assert_false(integrity_add_piece(&integrity, wrong + 4, SIZE - 4, true));
		wrong[at] ^= 1;
	}
}

static void
test_a_part_that_is_the_whole_is_verified_and_a_smaller_one_cannot_be(void **state)
{
	(void)state;
	assert_null(answered(206, SIZE, SIZE));
	assert_false(integrity_add_piece(&integrity, "none text", SIZE, true));
	assert_null(answered(206, 4, SIZE));
	assert_true(integrity_add_piece(&integrity, "none", 4, true));
}

/* --- marks */

static struct integrity_key
key_of(const char *path, unsigned char digest)
{
	unsigned char sha256[32] = {digest};

	return integrity_marks_key(path, strlen(path), sha256);
}

static void
test_a_mark_lasts_a_minute_for_one_path_and_digest(void **state)
{
	struct integrity_key key = key_of("/a", 1);

	(void)state;
	assert_false(integrity_marks_has(marks, key, 100));
	integrity_marks_set(marks, key, 100);
	assert_true(integrity_marks_has(marks, key, 100));
	assert_true(integrity_marks_has(marks, key, 100 + INTEGRITY_MARKS_SECONDS - 1));
	assert_false(integrity_marks_has(marks, key, 100 + INTEGRITY_MARKS_SECONDS));
	assert_false(integrity_marks_has(marks, key_of("/a", 2), 100));
	assert_false(integrity_marks_has(marks, key_of("/b", 1), 100));
	integrity_marks_set(marks, key, 150);
	assert_true(integrity_marks_has(marks, key, 150 + INTEGRITY_MARKS_SECONDS - 1));
}

static void
test_more_marks_than_there_is_room_for_push_out_the_oldest(void **state)
{
	char path[32];
	uint32_t now = 1000;
	size_t kept = 0;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		(void)snprintf(path, sizeof path, "/%d", i);
		integrity_marks_set(marks, key_of(path, 1), now + (uint32_t)i / 1000);
		assert_true(integrity_marks_has(marks, key_of(path, 1), now + (uint32_t)i / 1000));
	}
	for (int i = 0; i < 20000; i++) {
		(void)snprintf(path, sizeof path, "/%d", i);
		kept += integrity_marks_has(marks, key_of(path, 1), now + 20);
	}
	assert_in_range(kept, 2000, 4096);
}

static void
test_a_mark_is_seen_by_other_processes(void **state)
{
	int status;

	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		integrity_marks_set(marks, key_of("/shared", 1), 5);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(integrity_marks_has(marks, key_of("/shared", 1), 6));
}

static void
test_a_marked_path_is_refused_whatever_its_conditions(void **state)
{
	(void)state;
	ask_for(PATH);
	assert_int_equal(begin(), INTEGRITY_ASK_STORE);
	integrity_mark(&integrity, marks);
	ask_for(PATH);
	request.if_none_match = span("*");
	assert_int_equal(begin(), INTEGRITY_MARKED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_path_that_no_catalogue_knows_keeps_its_conditions),
	    cmocka_unit_test(test_a_path_below_a_refused_catalogue_is_not_trusted),
	    cmocka_unit_test(test_if_none_match_is_decided_by_the_weak_comparison),
	    cmocka_unit_test(test_if_range_keeps_the_range_only_with_our_tag),
	    cmocka_unit_test(test_a_date_alone_is_the_stores_to_judge),
	    cmocka_unit_test(test_lengths_must_be_those_of_the_catalogue),
	    cmocka_unit_test(test_a_416_that_says_no_length_says_nothing_wrong),
	    cmocka_unit_test(test_an_answer_to_head_may_leave_the_length_out),
	    cmocka_unit_test(test_encoded_content_is_refused),
	    cmocka_unit_test(test_our_fields_take_the_place_of_the_stores),
	    cmocka_unit_test(test_the_right_body_passes_in_any_pieces),
	    cmocka_unit_test(test_any_wrong_byte_shows_with_the_last_piece),
	    cmocka_unit_test(test_a_part_that_is_the_whole_is_verified_and_a_smaller_one_cannot_be),
	    cmocka_unit_test(test_a_mark_lasts_a_minute_for_one_path_and_digest),
	    cmocka_unit_test(test_more_marks_than_there_is_room_for_push_out_the_oldest),
	    cmocka_unit_test(test_a_mark_is_seen_by_other_processes),
	    cmocka_unit_test(test_a_marked_path_is_refused_whatever_its_conditions),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
