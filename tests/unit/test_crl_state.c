/*
 * What state_dir remembers of revocation lists, and what is done when it cannot be read or written.
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

#include "gateway/generation/crl_state.h"
#include "verify_fixture.h"

struct fixture {
	char dir[32], file[64], new_file[64];
	struct problems *problems;
	struct authority ca, namesake; /* two of one name */
};

static int
set_up(void **state)
{
	struct fixture *self = calloc(1, sizeof *self);

	assert_non_null(self);
	strcpy(self->dir, "/tmp/crl-state-XXXXXX");
	assert_non_null(mkdtemp(self->dir));
	snprintf(self->file, sizeof self->file, "%s/crl-numbers", self->dir);
	snprintf(self->new_file, sizeof self->new_file, "%s/crl-numbers.new", self->dir);
	self->problems = problems_new();
	self->ca = authority_new("Test CA", "P-256", NULL);
	self->namesake = authority_new("Test CA", "other", NULL);
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
	authority_free(&self->ca);
	authority_free(&self->namesake);
	free(self);
	return 0;
}

/* Rules with a list of CA with NUMBER, and one of its namesake unless THEIRS is 0. */
static struct tls_verify *
rules_with(const struct fixture *self, long number, long theirs)
{
	struct pem_text cas = {.len = 0}, crls = {.len = 0};

	pem_add(&cas, self->ca.certificate);
	pem_add_crl(&crls, &(struct crl_spec){.issuer = &self->ca, .number = number});
	if (theirs != 0) {
		pem_add(&cas, self->namesake.certificate);
		pem_add_crl(&crls, &(struct crl_spec){.issuer = &self->namesake, .number = theirs});
	}
	return rules_of(&cas, &crls);
}

/* How many problems lists with these numbers are. */
static size_t
check(const struct fixture *self, long number, long theirs)
{
	struct tls_verify *rules = rules_with(self, number, theirs);
	size_t before = problems_count(self->problems);

	crl_state_check(self->dir, "ca.crl", tls_verify_crl(rules), self->problems);
	tls_verify_free(rules);
	return problems_count(self->problems) - before;
}

static bool
remember(const struct fixture *self, long number, long theirs)
{
	struct tls_verify *rules = rules_with(self, number, theirs);
	bool good = crl_state_write(self->dir, tls_verify_crl(rules), self->problems);

	tls_verify_free(rules);
	return good;
}

static size_t
get(const struct fixture *self, char *text, size_t size)
{
	FILE *file = fopen(self->file, "r");

	assert_non_null(file);
	size_t len = fread(text, 1, size - 1, file);
	text[len] = '\0';
	fclose(file);
	return len;
}

static void
put(const struct fixture *self, const char *bytes, size_t len)
{
	FILE *file = fopen(self->file, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void
test_an_empty_folder_takes_any_list(void **state)
{
	assert_int_equal(check(*state, 1, 1), 0);
}

static void
test_a_number_never_goes_back(void **state)
{
	struct fixture *self = *state;

	assert_true(remember(self, 0xff, 0));
	assert_int_equal(check(self, 0xff, 0), 0);
	assert_int_equal(check(self, 0x100, 0), 0);
	assert_int_equal(check(self, 0xfe, 0), 1);
	assert_non_null(strstr(problems_text(self->problems, 0), "ca.crl"));
	assert_non_null(strstr(problems_text(self->problems, 0), "lower than 0xFF"));
	assert_true(remember(self, 0x100, 0));
	assert_int_equal(check(self, 0xff, 0), 1);
}

static void
test_each_ca_by_name_and_key_has_a_number(void **state)
{
	struct fixture *self = *state;

	assert_true(remember(self, 5000, 7));
	assert_int_equal(check(self, 5000, 7), 0);
	assert_int_equal(check(self, 5000, 6), 1);
	assert_int_equal(check(self, 4999, 7), 1);
	assert_int_equal(check(self, 4999, 6), 2);
}

static void
test_a_ca_that_is_gone_for_a_while_is_not_forgotten(void **state)
{
	struct fixture *self = *state;

	assert_true(remember(self, 10, 20));
	assert_true(remember(self, 11, 0));
	assert_int_equal(check(self, 11, 20), 0);
	assert_int_equal(check(self, 11, 19), 1);
	assert_int_equal(check(self, 10, 20), 1);
}

static void
test_a_file_that_says_anything_else_is_no_first_start(void **state)
{
	struct fixture *self = *state;
	char good[512], bad[1024];
	size_t len;

	assert_true(remember(self, 10, 20));
	len = get(self, good, sizeof good);
	for (size_t cut = 0; cut < len; cut++) {
		put(self, good, cut);
		if (check(self, 100, 100) == 0)
			fail_msg("taken: %.*s", (int)cut, good);
	}
	put(self, good, len + 1); /* a NUL at the end */
	assert_int_equal(check(self, 100, 100), 1);
	for (size_t i = 0; i < len; i++) { /* a bit of each byte: some would be another number */
		memcpy(bad, good, len);
		bad[i] = (char)(bad[i] | 0x80);
		put(self, bad, len);
		assert_int_equal(check(self, 100, 100), 1);
	}
	assert_false(remember(self, 100, 100));
	snprintf(bad, sizeof bad, "%s%s", good, good);
	put(self, bad, strlen(bad));
	assert_int_equal(check(self, 100, 100), 1);
	put(self, good, len);
	assert_int_equal(check(self, 100, 100), 0);
}

/* Checks, or remembers, a list without a number that was issued SECONDS ago. */
static size_t
take_dated(const struct fixture *self, long seconds, bool remembered)
{
	struct pem_text cas = {.len = 0}, crls = {.len = 0};
	size_t before = problems_count(self->problems);

	pem_add(&cas, self->ca.certificate);
	pem_add_crl(
	    &crls, &(struct crl_spec){
	               .issuer = &self->ca, .lacks_number = true, .from = -seconds, .until = 3600});
	struct tls_verify *rules = rules_of(&cas, &crls);
	if (remembered)
		assert_true(crl_state_write(self->dir, tls_verify_crl(rules), self->problems));
	else
		crl_state_check(self->dir, "ca.crl", tls_verify_crl(rules), self->problems);
	tls_verify_free(rules);
	return problems_count(self->problems) - before;
}

static void
test_a_list_without_a_number_is_remembered_by_its_date(void **state)
{
	struct fixture *self = *state;
	char text[512], *place;

	assert_int_equal(take_dated(self, 1000, true), 0);
	assert_int_equal(take_dated(self, 1000, false), 0);
	assert_int_equal(take_dated(self, 500, false), 0);
	assert_int_equal(take_dated(self, 2000, false), 1);
	assert_non_null(strstr(problems_text(self->problems, 0), "its date is not later"));
	/* Its CA begins to number them (issued a day ago), or stops. */
	assert_int_equal(check(self, 5, 0), 1);
	assert_int_equal(unlink(self->file), 0);
	assert_true(remember(self, 5, 0));
	assert_int_equal(take_dated(self, 500, false), 0);
	assert_int_equal(take_dated(self, 2 * 86400, false), 1);
	/* A file of before dates were remembered. */
	get(self, text, sizeof text);
	place = strstr(text, " issued");
	assert_non_null(place);
	memmove(place, strchr(place, '\n'), strlen(strchr(place, '\n')) + 1);
	put(self, text, strlen(text));
	assert_int_equal(check(self, 5, 0), 0);
	assert_int_equal(check(self, 4, 0), 1);
	assert_int_equal(take_dated(self, 500, false), 1);
}

static void
test_what_cannot_be_written_is_refused_unless_it_is_remembered_already(void **state)
{
	struct fixture *self = *state;

	assert_true(remember(self, 10, 0));
	/* In the way of the new file; permissions would not stop root. */
	assert_int_equal(mkdir(self->new_file, 0700), 0);
	assert_false(remember(self, 11, 0));
	assert_int_equal(problems_count(self->problems), 1);
	assert_int_equal(check(self, 10, 0), 0);
	assert_true(remember(self, 10, 0));
	assert_int_equal(problems_count(self->problems), 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_an_empty_folder_takes_any_list),
	    TEST(test_a_number_never_goes_back),
	    TEST(test_each_ca_by_name_and_key_has_a_number),
	    TEST(test_a_ca_that_is_gone_for_a_while_is_not_forgotten),
	    TEST(test_a_file_that_says_anything_else_is_no_first_start),
	    TEST(test_a_list_without_a_number_is_remembered_by_its_date),
	    TEST(test_what_cannot_be_written_is_refused_unless_it_is_remembered_already),
	};

	return cmocka_run_group_tests_name("crl_state", tests, NULL, NULL);
}
