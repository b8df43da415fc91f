/*
 * Indexes: only the one form that is written is read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/release/index.h"
#include "client_fixture.h"

#define INDEX(product, serial, expires, versions)                                \
	"{\"format\":\"index/1\",\"product\":\"" product "\",\"serial\":" serial \
	",\"expires\":\"" expires "\",\"versions\":[" versions "]}\n"
#define GOOD INDEX("pos", "7", "2099-12-31", "\"1.2\",\"1.10\",\"2.0\"")

static struct index *
read_text(const char *text)
{
	struct failure failure = {0};
	struct buffer buffer = client_text(text);
	struct index *index = index_read(&buffer, "index.json", &failure);

	assert_int_equal(failure.kind, index != NULL ? FAILURE_NONE : FAILURE_CATALOGUE);
	buffer_fini(&buffer);
	return index;
}

static void
test_a_good_index_is_read_and_printed_as_it_was(void **state)
{
	struct index *index = read_text(GOOD);
	struct buffer out = {0};

	(void)state;
	assert_non_null(index);
	assert_string_equal(index->product, "pos");
	assert_int_equal(index->serial, 7);
	assert_string_equal(index->expires, "2099-12-31");
	assert_int_equal(index->version_count, 3);
	index_print(index, &out);
	assert_int_equal(buffer_size(&out), strlen(GOOD));
	assert_memory_equal(buffer_bytes(&out), GOOD, strlen(GOOD));
	buffer_fini(&out);
	index_free(index);
}

static void
test_any_other_form_is_refused(void **state)
{
	static const char *const bad[] = {
	    "",
	    "null",
	    "[]",
	    "{}",
	    "{}\n",
	    INDEX("pos", "0", "2099-12-31", "\"1\""),
	    INDEX("pos", "-1", "2099-12-31", "\"1\""),
	    INDEX("pos", "01", "2099-12-31", "\"1\""),
	    INDEX("pos", "1.0", "2099-12-31", "\"1\""),
	    INDEX("pos", "9223372036854775808", "2099-12-31", "\"1\""),
	    INDEX("", "1", "2099-12-31", "\"1\""),
	    INDEX("../pos", "1", "2099-12-31", "\"1\""),
	    INDEX("pos", "1", "2099-02-30", "\"1\""),
	    INDEX("pos", "1", "2099-12-31T00:00:00Z", "\"1\""),
	    INDEX("pos", "1", "2099-12-31", ""),
	    INDEX("pos", "1", "2099-12-31", "1"),
	    INDEX("pos", "1", "2099-12-31", "\"..\""),
	    INDEX("pos", "1", "2099-12-31", "\"2\",\"1\""),
	    INDEX("pos", "1", "2099-12-31", "\"1\", \"2\""),
	    INDEX("pos", "1", "2099-12-31", "\"\\u0031\""),
	    " " GOOD,
	    GOOD "\n",
	    GOOD GOOD,
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_null(read_text(bad[i]));
}

static void
test_one_version_written_twice_is_refused(void **state)
{
	(void)state;
	assert_null(read_text(INDEX("pos", "1", "2099-12-31", "\"10.3\",\"10.3\"")));
	assert_null(read_text(INDEX("pos", "1", "2099-12-31", "\"10.3\",\"10.3.0\"")));
}

static void
test_an_index_is_current_until_the_end_of_its_last_day(void **state)
{
	struct index *current = read_text(GOOD);
	struct index *expired = read_text(INDEX("pos", "1", "2001-01-01", "\"1\""));
	struct failure failure = {0};

	(void)state;
	assert_true(index_is_current(current, &failure));
	assert_false(index_is_current(expired, &failure));
	assert_int_equal(failure.kind, FAILURE_CATALOGUE);
	assert_non_null(strstr(failure.text, "2001-01-01"));
	index_free(current);
	index_free(expired);
}

static void
test_a_version_is_named_by_its_exact_text(void **state)
{
	struct index *index = read_text(GOOD);

	(void)state;
	assert_true(index_has(index, "1.10"));
	assert_false(index_has(index, "1.1"));
	assert_false(index_has(index, "1.2.0"));
	index_free(index);
}

static void
test_as_many_versions_as_there_may_be_are_read_and_no_more(void **state)
{
	(void)state;
	for (int more = 0; more < 2; more++) {
		struct buffer text = {0};
		struct failure failure;
		buffer_printf(&text, "{\"format\":\"index/1\",\"product\":\"pos\",\"serial\":1,"
		                     "\"expires\":\"2099-12-31\",\"versions\":[");
		for (int i = 0; i < INDEX_MAX_VERSIONS + more; i++)
			buffer_printf(&text, "%s\"%d\"", i > 0 ? "," : "", i);
		buffer_printf(&text, "]}\n");
		struct index *index = index_read(&text, "index.json", &failure);
		assert_int_equal(index != NULL, more == 0);
		if (more > 0)
			assert_non_null(strstr(failure.text, "names more than 10000 versions"));
		index_free(index);
		buffer_fini(&text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_good_index_is_read_and_printed_as_it_was),
	    cmocka_unit_test(test_any_other_form_is_refused),
	    cmocka_unit_test(test_one_version_written_twice_is_refused),
	    cmocka_unit_test(test_an_index_is_current_until_the_end_of_its_last_day),
	    cmocka_unit_test(test_a_version_is_named_by_its_exact_text),
	    cmocka_unit_test(test_as_many_versions_as_there_may_be_are_read_and_no_more),
	};
	return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
