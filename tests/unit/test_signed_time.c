/*
 * The time that counts: it does not go back, and one wrong signature does not put it far ahead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/common/signed_time.h"
#include "client_fixture.h"

enum { DAY = 24 * 60 * 60, NOW = 20000 * DAY, PATH_SIZE = 128 };

static void
test_a_later_signature_counts_and_an_earlier_one_does_not(void **state)
{
	(void)state;
	assert_int_equal(signed_time_later(0, NOW, NOW - 5), NOW - 5);
	assert_int_equal(signed_time_later(NOW - 5, NOW, NOW - 6), NOW - 5);
	assert_int_equal(signed_time_later(NOW - 5, NOW, 0), NOW - 5);
	assert_int_equal(signed_time_later(NOW - 5, NOW, NOW), NOW);
}

static void
test_a_day_ahead_is_believed_and_no_more(void **state)
{
	(void)state;
	assert_int_equal(signed_time_later(0, NOW, NOW + DAY), NOW + DAY);
	assert_int_equal(signed_time_later(0, NOW, NOW + DAY + 1), 0);
	assert_int_equal(signed_time_later(0, NOW, INT64_MAX), 0);
	/* With the clock set back, what is remembered is what counts. */
	assert_int_equal(signed_time_later(NOW, 0, NOW + DAY), NOW + DAY);
	assert_int_equal(signed_time_later(NOW, 0, NOW + DAY + 1), NOW);
}

/* Writes TEXT to the file in which CACHE remembers the time. */
static void
put(const char *cache, const char *text)
{
	char name[PATH_SIZE];

	snprintf(name, sizeof name, "%s/seen", cache);
	mkdir(name, 0777);
	snprintf(name, sizeof name, "%s/seen/.time", cache);
	FILE *file = fopen(name, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void
test_what_is_saved_counts_in_the_next_run(void **state)
{
	char cache[CLIENT_FOLDER_SIZE];
	struct failure failure = {0};
	time_t later = time(NULL) + DAY / 2;

	(void)state;
	client_folder(cache);
	assert_true(signed_time_use(cache, &failure));
	assert_true(signed_time_now() <= time(NULL));
	signed_time_save(cache); /* nothing to save */
	signed_time_see(later);
	assert_int_equal(signed_time_now(), later);
	signed_time_save(cache);
	assert_true(signed_time_use("/nowhere", &failure));
	assert_true(signed_time_now() < later);
	assert_true(signed_time_use(cache, &failure));
	assert_int_equal(signed_time_now(), later);
	client_remove(cache);
}

static void
test_a_later_time_of_another_process_is_not_overwritten(void **state)
{
	char cache[CLIENT_FOLDER_SIZE], text[32];
	struct failure failure = {0};
	time_t now = time(NULL);

	(void)state;
	client_folder(cache);
	assert_true(signed_time_use(cache, &failure));
	signed_time_see(now);
	snprintf(text, sizeof text, "%lld\n", (long long)now + DAY / 2);
	put(cache, text);
	signed_time_save(cache);
	assert_true(signed_time_use(cache, &failure));
	assert_int_equal(signed_time_now(), now + DAY / 2);
	client_remove(cache);
}

static void
test_what_is_no_time_is_an_error(void **state)
{
	static const char *const bad[] = {
	    "", "\n", "x\n", "-1\n", "1.5\n", "99999999999999999999\n"};
	char cache[CLIENT_FOLDER_SIZE];

	(void)state;
	client_folder(cache);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct failure failure = {0};
		put(cache, bad[i]);
		assert_false(signed_time_use(cache, &failure));
		assert_int_equal(failure.kind, FAILURE_LOCAL);
		assert_non_null(strstr(failure.text, "seen/.time is damaged: remove it"));
	}
	client_remove(cache);
}

static void
test_a_cache_that_cannot_be_written_keeps_nothing_from_its_work(void **state)
{
	struct failure failure = {0};

	(void)state;
	assert_false(signed_time_use("/dev/null/x", &failure));
	assert_int_equal(failure.kind, FAILURE_LOCAL);
	assert_true(signed_time_use("/proc/nowhere", &failure));
	signed_time_see(time(NULL));
	signed_time_save("/proc/nowhere");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_later_signature_counts_and_an_earlier_one_does_not),
	    cmocka_unit_test(test_a_day_ahead_is_believed_and_no_more),
	    cmocka_unit_test(test_what_is_saved_counts_in_the_next_run),
	    cmocka_unit_test(test_a_later_time_of_another_process_is_not_overwritten),
	    cmocka_unit_test(test_what_is_no_time_is_an_error),
	    cmocka_unit_test(test_a_cache_that_cannot_be_written_keeps_nothing_from_its_work),
	};
	return cmocka_run_group_tests_name("signed_time", tests, NULL, NULL);
}
