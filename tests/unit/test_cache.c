/*
 * The cache and its parts: whatever lies there, only right bytes become objects.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/cache/cache.h"
#include "client/cache/cache_part.h"
#include "client_home.h"

#define BYTES "0123456789"
#define ETAG "\"one\""

static struct digest wanted, weak; /* of BYTES; the second without a SHA-256 */

static int
make_digests(void **state)
{
	(void)state;
	client_digest(BYTES, &wanted);
	weak = wanted;
	weak.sha256[0] = '\0';
	return 0;
}

static struct cache *
opened(void)
{
	struct failure failure;
	char *name = buffer_text("%s/cache", folder);
	struct cache *cache = cache_open(name, &failure);

	if (cache == NULL)
		fail_msg("%s", failure.text);
	free(name);
	return cache;
}

static struct cache_part *
opened_part(struct cache *cache)
{
	struct failure failure;
	bool busy;
	struct cache_part *part = cache_part_open(cache, &wanted, "core.zip", &busy, &failure);

	if (part == NULL)
		fail_msg("%s", busy ? "busy" : failure.text);
	return part;
}

/* An answer that begins at OFFSET with TEXT; whole says whether it was. */
static bool
download(struct cache *cache, uint64_t offset, const char *etag, const char *text, bool whole,
    struct failure *failure)
{
	struct cache_part *part = opened_part(cache);
	bool done = cache_part_begin(part, offset, etag, failure) &&
	            cache_part_take(part, text, strlen(text), failure) &&
	            (!whole || cache_part_end(part, failure));

	cache_part_close(part);
	return done;
}

/* Where the next download begins, and by which ETag. */
static void
assert_resumes(struct cache *cache, uint64_t offset, const char *expected)
{
	struct cache_part *part = opened_part(cache);
	const char *etag = NULL;

	assert_int_equal(cache_part_resume(part, &etag), offset);
	assert_string_equal(etag, expected);
	cache_part_close(part);
}

/* Writes TEXT over the object, or appends to what PATH names. */
static void
overwrite(const char *path, const char *text)
{
	char *name = buffer_text("%s/cache/%s", folder, path);
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	free(name);
}

static void
test_whole_and_right_bytes_become_an_object(void **state)
{
	struct cache *cache = opened();
	struct failure failure;

	(void)state;
	assert_false(cache_has(cache, &wanted));
	assert_int_equal(cache_check(cache, &wanted, &failure), CACHE_ABSENT);
	assert_true(download(cache, 0, ETAG, BYTES, true, &failure));
	assert_true(cache_has(cache, &wanted));
	assert_int_equal(cache_check(cache, &wanted, &failure), CACHE_DONE);
	assert_int_equal(cache_check(cache, &weak, &failure), CACHE_DONE);
	cache_close(cache);
}

static void
test_a_copy_of_an_object_has_its_bytes(void **state)
{
	struct cache *cache = opened();
	struct failure failure;
	FILE *to = tmpfile();
	char bytes[sizeof BYTES] = "";

	(void)state;
	assert_true(download(cache, 0, ETAG, BYTES, true, &failure));
	assert_int_equal(cache_copy(cache, &wanted, fileno(to), &failure), CACHE_DONE);
	rewind(to);
	assert_int_equal(fread(bytes, 1, sizeof bytes, to), sizeof bytes - 1);
	assert_string_equal(bytes, BYTES);
	fclose(to);
	cache_close(cache);
}

static void
test_an_object_that_was_damaged_is_gone(void **state)
{
	struct cache *cache = opened();
	struct failure failure;
	char *object = buffer_text("sha256/%.2s/%s", wanted.sha256, wanted.sha256);

	(void)state;
	assert_true(download(cache, 0, ETAG, BYTES, true, &failure));
	overwrite(object, "012345678X");
	assert_int_equal(cache_check(cache, &wanted, &failure), CACHE_ABSENT);
	assert_false(cache_has(cache, &wanted));
	free(object);
	cache_close(cache);
}

static void
test_a_part_that_was_cut_goes_on_with_its_etag(void **state)
{
	struct cache *cache = opened();
	struct failure failure;

	(void)state;
	assert_true(download(cache, 0, ETAG, "01234", false, &failure));
	assert_resumes(cache, 5, ETAG);
	assert_true(download(cache, 5, ETAG, "56789", true, &failure));
	assert_int_equal(cache_check(cache, &wanted, &failure), CACHE_DONE);
	assert_resumes(cache, 0, "");
	cache_close(cache);
}

static void
test_a_part_without_a_strong_etag_begins_anew(void **state)
{
	static const char *const etags[] = {NULL, "", "W/\"one\"", "\"one", "one"};
	struct cache *cache = opened();
	struct failure failure;
	char endless[1024] = "\"";

	(void)state;
	memset(endless + 1, 'a', sizeof endless - 3);
	endless[sizeof endless - 2] = '"';
	for (size_t i = 0; i < sizeof etags / sizeof *etags; i++) {
		assert_true(download(cache, 0, etags[i], "01234", false, &failure));
		assert_resumes(cache, 0, "");
	}
	assert_true(download(cache, 0, endless, "01234", false, &failure));
	assert_resumes(cache, 0, "");
	cache_close(cache);
}

static void
test_an_etag_that_was_spoilt_on_the_disk_is_none(void **state)
{
	struct cache *cache = opened();
	struct failure failure;
	char *name = buffer_text("parts/%s.etag", wanted.sha256);

	(void)state;
	assert_true(download(cache, 0, ETAG, "01234", false, &failure));
	overwrite(name, "\"one\"\r\nX: y");
	assert_resumes(cache, 0, "");
	free(name);
	cache_close(cache);
}

static void
test_wrong_bytes_are_asked_for_again_from_the_beginning(void **state)
{
	struct cache *cache = opened();
	struct failure failure;

	(void)state;
	assert_false(download(cache, 0, ETAG, "012345678X", true, &failure));
	assert_int_equal(failure.kind, FAILURE_ANSWER);
	assert_true(failure.passes);
	assert_false(cache_has(cache, &wanted));
	assert_resumes(cache, 0, "");
	cache_close(cache);
}

static void
test_more_bytes_than_the_catalogue_says_are_refused(void **state)
{
	struct cache *cache = opened();
	struct failure failure;

	(void)state;
	assert_false(download(cache, 0, ETAG, BYTES "0", true, &failure));
	assert_int_equal(failure.kind, FAILURE_ANSWER);
	assert_false(failure.passes);
	cache_close(cache);
}

static void
test_a_part_that_is_too_long_already_begins_anew(void **state)
{
	struct cache *cache = opened();
	char *name = buffer_text("parts/%s", wanted.sha256), *etag = buffer_text("%s.etag", name);

	(void)state;
	overwrite(name, BYTES "0");
	overwrite(etag, ETAG);
	assert_resumes(cache, 0, "");
	free(name);
	free(etag);
	cache_close(cache);
}

static void
test_a_part_is_written_by_one_at_a_time(void **state)
{
	struct cache *cache = opened();
	struct cache_part *part = opened_part(cache);
	struct failure failure;
	bool busy = false;

	(void)state;
	assert_null(cache_part_open(cache, &wanted, "core.zip", &busy, &failure));
	assert_true(busy);
	cache_part_close(part);
	part = opened_part(cache);
	cache_part_close(part);
	cache_close(cache);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
	        test_whole_and_right_bytes_become_an_object, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_a_copy_of_an_object_has_its_bytes, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_an_object_that_was_damaged_is_gone, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_a_part_that_was_cut_goes_on_with_its_etag, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_a_part_without_a_strong_etag_begins_anew, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_an_etag_that_was_spoilt_on_the_disk_is_none, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(test_wrong_bytes_are_asked_for_again_from_the_beginning,
	        make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_more_bytes_than_the_catalogue_says_are_refused, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_a_part_that_is_too_long_already_begins_anew, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_a_part_is_written_by_one_at_a_time, make_folder, remove_folder),
	};
	return cmocka_run_group_tests_name("cache", tests, make_digests, NULL);
}
