/*
 * Batches of the cache: many artifacts that wait for the disk together, and what others may do to
 * them meanwhile. Where /tmp is on a file system that takes no batch, each is an object at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/cache/cache.h"
#include "client/cache/cache_batch.h"
#include "client/cache/cache_part.h"
#include "client_home.h"

#define BYTES "0123456789"

enum { MANY = 100 };

static struct digest wanted;

static int
make_digest(void **state)
{
	(void)state;
	client_digest(BYTES, &wanted);
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

static void
download(struct cache *cache)
{
	struct failure failure;
	bool busy;
	struct cache_part *part = cache_part_open(cache, &wanted, "core.zip", &busy, &failure);

	assert_non_null(part);
	assert_true(cache_part_begin(part, 0, NULL, &failure));
	assert_true(cache_part_take(part, BYTES, strlen(BYTES), &failure));
	assert_true(cache_part_end(part, &failure));
	cache_part_close(part);
}

/* Takes the whole part up as another process does that wants it, too. */
static void
take_up(struct cache *other)
{
	struct failure failure;
	bool busy;
	struct cache_part *part = cache_part_open(other, &wanted, "core.zip", &busy, &failure);

	assert_non_null(part);
	assert_int_equal(cache_part_size(part), strlen(BYTES));
	assert_true(cache_part_end(part, &failure));
	cache_part_close(part);
}

static void
test_what_comes_in_a_batch_is_an_object_when_it_ends(void **state)
{
	struct cache *cache = opened();
	struct failure failure;
	bool batch = cache_batch_begin(cache, MANY);

	(void)state;
	download(cache);
	assert_int_equal(cache_has(cache, &wanted), !batch);
	assert_true(cache_batch_end(cache, &failure));
	assert_int_equal(cache_check(cache, &wanted, &failure), CACHE_DONE);
	assert_int_equal(cache_part_there(cache, &wanted), 0);
	cache_close(cache);
}

static void
test_few_artifacts_need_no_batch(void **state)
{
	struct cache *cache = opened();
	struct failure failure;

	(void)state;
	assert_false(cache_batch_begin(cache, 2));
	download(cache);
	assert_int_equal(cache_check(cache, &wanted, &failure), CACHE_DONE);
	assert_true(cache_batch_end(cache, &failure));
	cache_close(cache);
}

static void
test_another_one_takes_up_what_waits(void **state)
{
	struct cache *cache = opened(), *other = opened();
	struct failure failure;
	bool batch = cache_batch_begin(cache, MANY);

	(void)state;
	download(cache);
	if (batch)
		take_up(other);
	assert_int_equal(cache_check(other, &wanted, &failure), CACHE_DONE);
	assert_true(cache_batch_end(cache, &failure));
	assert_int_equal(cache_check(cache, &wanted, &failure), CACHE_DONE);
	cache_close(other);
	cache_close(cache);
}

static void
test_the_same_twice_in_a_batch_is_one_object(void **state)
{
	struct cache *cache = opened();
	struct failure failure;
	bool batch = cache_batch_begin(cache, MANY);

	(void)state;
	download(cache);
	if (batch)
		take_up(cache);
	assert_true(cache_batch_end(cache, &failure));
	assert_int_equal(cache_check(cache, &wanted, &failure), CACHE_DONE);
	cache_close(cache);
}

static void
test_what_was_changed_while_it_waited_is_no_object(void **state)
{
	struct cache *cache = opened();
	struct failure failure;
	char *name = buffer_text("%s/cache/parts/%s", folder, wanted.sha256);
	bool batch = cache_batch_begin(cache, MANY);

	(void)state;
	download(cache);
	if (batch) {
		FILE *file = fopen(name, "w");
		assert_non_null(file);
		fputs("012345678", file);
		assert_int_equal(fclose(file), 0);
	}
	assert_true(cache_batch_end(cache, &failure));
	assert_int_equal(cache_has(cache, &wanted), !batch);
	free(name);
	cache_close(cache);
}

static void
test_a_batch_that_nobody_ends_leaves_whole_parts(void **state)
{
	struct cache *cache = opened();
	struct failure failure;
	bool batch = cache_batch_begin(cache, MANY);

	(void)state;
	download(cache);
	cache_close(cache);
	cache = opened();
	if (batch)
		take_up(cache);
	assert_int_equal(cache_check(cache, &wanted, &failure), CACHE_DONE);
	cache_close(cache);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
	        test_what_comes_in_a_batch_is_an_object_when_it_ends, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_few_artifacts_need_no_batch, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_another_one_takes_up_what_waits, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_the_same_twice_in_a_batch_is_one_object, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_what_was_changed_while_it_waited_is_no_object, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_a_batch_that_nobody_ends_leaves_whole_parts, make_folder, remove_folder),
	};
	return cmocka_run_group_tests_name("cache batch", tests, make_digest, NULL);
}
