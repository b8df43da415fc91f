/*
 * The highest index that was seen: whatever follows it is no older, also of several at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/release/index_seen.h"
#include "client_fixture.h"

enum { PATH_SIZE = 128 };

struct fixture {
	char cache[CLIENT_FOLDER_SIZE];
};

static int
make(void **state)
{
	struct fixture *self = malloc(sizeof *self);

	assert_non_null(self);
	client_folder(self->cache);
	*state = self;
	return 0;
}

static int
take_away(void **state)
{
	struct fixture *self = *state;

	client_remove(self->cache);
	free(self);
	return 0;
}

/* Shows CACHE the index SERIAL of pos with its one VERSION; FAILURE's kind. */
static enum failure_kind
show(const char *cache, unsigned serial, const char *version)
{
	struct failure failure = {0};
	struct buffer text = {0};

	buffer_printf(&text,
	    "{\"format\":\"index/1\",\"product\":\"pos\",\"serial\":%u,"
	    "\"expires\":\"2099-12-31\",\"versions\":[\"%s\"]}\n",
	    serial, version);
	struct index *index = index_read(&text, "index.json", &failure);
	assert_non_null(index);
	bool done = index_seen_remember(cache, index, &text, &failure);
	index_free(index);
	buffer_fini(&text);
	return done ? FAILURE_NONE : failure.kind;
}

static void
test_no_older_index_follows_and_none_that_differs(void **state)
{
	const struct fixture *self = *state;

	assert_int_equal(show(self->cache, 7, "1"), FAILURE_NONE);
	assert_int_equal(show(self->cache, 7, "1"), FAILURE_NONE);
	assert_int_equal(show(self->cache, 7, "2"), FAILURE_CATALOGUE);
	assert_int_equal(show(self->cache, 6, "1"), FAILURE_CATALOGUE);
	assert_int_equal(show(self->cache, 9, "2"), FAILURE_NONE);
	assert_int_equal(show(self->cache, 8, "2"), FAILURE_CATALOGUE);
}

static void
test_a_cache_that_is_not_there_yet_is_made(void **state)
{
	const struct fixture *self = *state;
	char cache[PATH_SIZE];
	struct failure failure = {0};
	bool seen = true;

	snprintf(cache, sizeof cache, "%s/cache", self->cache);
	assert_true(index_seen_has(cache, "pos", &seen, &failure));
	assert_false(seen);
	assert_int_equal(show(cache, 1, "1"), FAILURE_NONE);
	assert_true(index_seen_has(cache, "pos", &seen, &failure));
	assert_true(seen);
	assert_true(index_seen_has(cache, "other", &seen, &failure));
	assert_false(seen);
}

static void
test_what_cannot_be_looked_at_is_no_absence(void **state)
{
	const struct fixture *self = *state;
	char name[PATH_SIZE];
	struct failure failure = {0};
	bool seen;

	snprintf(name, sizeof name, "%s/seen", self->cache);
	FILE *file = fopen(name, "w");
	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
	assert_false(index_seen_has(self->cache, "pos", &seen, &failure));
	assert_int_equal(failure.kind, FAILURE_LOCAL);
	assert_int_equal(show(self->cache, 1, "1"), FAILURE_LOCAL);
}

static void
test_a_memory_that_is_damaged_or_of_another_product_is_refused(void **state)
{
	const struct fixture *self = *state;
	char name[PATH_SIZE];

	assert_int_equal(show(self->cache, 1, "1"), FAILURE_NONE);
	snprintf(name, sizeof name, "%s/seen/pos", self->cache);
	assert_int_equal(truncate(name, 10), 0);
	assert_int_equal(show(self->cache, 2, "1"), FAILURE_LOCAL);
	FILE *file = fopen(name, "w");
	assert_non_null(file);
	fputs("{\"format\":\"index/1\",\"product\":\"other\",\"serial\":1,"
	      "\"expires\":\"2099-12-31\",\"versions\":[\"1\"]}\n",
	    file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(show(self->cache, 2, "1"), FAILURE_LOCAL);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(show(self->cache, 2, "1"), FAILURE_NONE);
}

static void
test_of_several_at_once_the_highest_stays(void **state)
{
	enum { PROCESSES = 4, EACH = 8 };
	const struct fixture *self = *state;

	for (unsigned i = 0; i < PROCESSES; i++) {
		pid_t child = fork();
		assert_true(child >= 0);
		for (unsigned n = 1; child == 0 && n <= EACH; n++)
			(void)show(self->cache, n * PROCESSES + i, "1");
		if (child == 0)
			_exit(0);
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status;
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(
	    show(self->cache, EACH * PROCESSES + PROCESSES - 2, "1"), FAILURE_CATALOGUE);
	assert_int_equal(show(self->cache, EACH * PROCESSES + PROCESSES - 1, "1"), FAILURE_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
	        test_no_older_index_follows_and_none_that_differs, make, take_away),
	    cmocka_unit_test_setup_teardown(
	        test_a_cache_that_is_not_there_yet_is_made, make, take_away),
	    cmocka_unit_test_setup_teardown(
	        test_what_cannot_be_looked_at_is_no_absence, make, take_away),
	    cmocka_unit_test_setup_teardown(
	        test_a_memory_that_is_damaged_or_of_another_product_is_refused, make, take_away),
	    cmocka_unit_test_setup_teardown(
	        test_of_several_at_once_the_highest_stays, make, take_away),
	};
	return cmocka_run_group_tests_name("index_seen", tests, NULL, NULL);
}
