/*
 * What state_dir remembers of policies, and what is done when it cannot be read or written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/generation/policy_state.h"

struct fixture {
	char dir[32], file[64], new_file[64];
	struct problems *problems;
};

static const struct policy_state twelve = {
    12, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};

static int
set_up(void **state)
{
	struct fixture *self = calloc(1, sizeof *self);

	assert_non_null(self);
	strcpy(self->dir, "/tmp/policy-state-XXXXXX");
	assert_non_null(mkdtemp(self->dir));
	snprintf(self->file, sizeof self->file, "%s/policy-serial", self->dir);
	snprintf(self->new_file, sizeof self->new_file, "%s/policy-serial.new", self->dir);
	self->problems = problems_new();
	*state = self;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *self = *state;

	unlink(self->file);
	rmdir(self->new_file);
	rmdir(self->dir);
	problems_free(self->problems);
	free(self);
	return 0;
}

static void
put(const struct fixture *self, const char *bytes, size_t len)
{
	FILE *file = fopen(self->file, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static size_t
check(const struct fixture *self, uint64_t serial, char last_digit)
{
	struct policy_state current = twelve;
	size_t before = problems_count(self->problems);

	current.serial = serial;
	current.digest[DIGEST_SHA256_SIZE - 2] = last_digit;
	policy_state_check(self->dir, "policy.yaml", &current, self->problems);
	return problems_count(self->problems) - before;
}

static void
test_an_empty_folder_takes_any_policy(void **state)
{
	assert_int_equal(check(*state, 1, 'f'), 0);
}

static void
test_a_serial_never_goes_back_nor_means_two_policies(void **state)
{
	struct fixture *self = *state;

	assert_true(policy_state_write(self->dir, &twelve, self->problems));
	assert_int_equal(check(self, 12, 'f'), 0);
	assert_int_equal(check(self, 13, '0'), 0);
	assert_int_equal(check(self, 11, 'f'), 1);
	assert_int_equal(check(self, 12, '0'), 1);
}

static void
test_a_file_that_says_anything_else_is_no_first_start(void **state)
{
	struct fixture *self = *state;
	static const char nul[] =
	    "serial 12\nsha256 "
	    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n\0";
	static const char too_high[] =
	    "serial 99999999999999999999\nsha256 "
	    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n";
	static const char *const texts[] = {
	    "",
	    "\n",
	    "serial 12\n",
	    "serial 12\nsha256 0123\n",
	    "serial 012\nsha256 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
	    "serial -1\nsha256 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
	    "serial 12\nsha256 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	    "serial 12\nsha256 0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\n",
	    "serial 12\nsha256 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\nx",
	};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		put(self, texts[i], strlen(texts[i]));
		if (check(self, 100, 'f') == 0)
			fail_msg("taken: %s", texts[i]);
		assert_false(policy_state_write(self->dir, &twelve, self->problems));
	}
	put(self, too_high, sizeof too_high - 1);
	assert_int_equal(check(self, 100, 'f'), 1);
	put(self, nul, sizeof nul);
	assert_int_equal(check(self, 100, 'f'), 1);
	char *huge = calloc(1, 1 << 20);
	put(self, huge, 1 << 20);
	free(huge);
	assert_int_equal(check(self, 100, 'f'), 1);
}

static void
test_what_cannot_be_written_is_refused_unless_it_is_remembered_already(void **state)
{
	struct fixture *self = *state;
	struct policy_state thirteen = twelve;

	thirteen.serial = 13;
	assert_true(policy_state_write(self->dir, &twelve, self->problems));
	/* In the way of the new file; permissions would not stop root. */
	assert_int_equal(mkdir(self->new_file, 0700), 0);
	assert_false(policy_state_write(self->dir, &thirteen, self->problems));
	assert_int_equal(problems_count(self->problems), 1);
	assert_int_equal(check(self, 12, 'f'), 0);
	assert_true(policy_state_write(self->dir, &twelve, self->problems));
	assert_int_equal(problems_count(self->problems), 1);
}

static void
test_a_folder_that_is_not_there_is_a_problem(void **state)
{
	struct fixture *self = *state;

	policy_state_check("/nonexistent/state", "policy.yaml", &twelve, self->problems);
	assert_int_equal(problems_count(self->problems), 1);
	assert_false(policy_state_write("/nonexistent/state", &twelve, self->problems));
	assert_int_equal(problems_count(self->problems), 2);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_an_empty_folder_takes_any_policy),
	    TEST(test_a_serial_never_goes_back_nor_means_two_policies),
	    TEST(test_a_file_that_says_anything_else_is_no_first_start),
	    TEST(test_what_cannot_be_written_is_refused_unless_it_is_remembered_already),
	    TEST(test_a_folder_that_is_not_there_is_a_problem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
