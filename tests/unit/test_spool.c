/*
 * The spool: nothing that waits is lost, and nothing else is sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "client/common/file.h"
#include "client/snapshot/spool.h"
#include "client_home.h"

static struct spool *
opened(void)
{
	struct failure failure;
	char *name = buffer_text("%s/state", folder);
	struct spool *spool = spool_open(name, &failure);

	if (spool == NULL)
		fail_msg("%s", failure.text);
	free(name);
	return spool;
}

/* Adds TEXT as a snapshot of SYSTEM; the caller frees the file's name. */
static char *
added(struct spool *spool, const char *system, const char *text)
{
	struct failure failure;
	struct buffer content = client_text(text);
	char *file = spool_add(spool, system, &content, &failure);

	if (file == NULL)
		fail_msg("%s", failure.text);
	buffer_fini(&content);
	return file;
}

static size_t
waiting(struct spool *spool)
{
	struct failure failure;
	struct spool_list list;

	assert_true(spool_list(spool, &list, &failure));
	size_t count = list.count;
	spool_list_fini(&list);
	return count;
}

/* Makes the file NAME below the folder. */
static void
lay(const char *name, const char *text)
{
	struct failure failure;
	struct buffer content = client_text(text);
	char *path = buffer_text("%s/state/%s", folder, name);

	assert_true(file_write(path, &content, &failure));
	buffer_fini(&content);
	free(path);
}

static bool
is_there(const char *name)
{
	char *path = buffer_text("%s/state/%s", folder, name);
	bool is = access(path, F_OK) == 0;

	free(path);
	return is;
}

static void
test_what_was_added_waits_and_is_read_as_it_was(void **state)
{
	struct spool *spool = opened();
	char *file = added(spool, "web-1", "text");
	struct spool_list list;
	struct failure failure;
	struct buffer text = {0};

	(void)state;
	assert_true(spool_list(spool, &list, &failure));
	assert_int_equal(list.count, 1);
	assert_string_equal(list.entries[0].file, file);
	assert_string_equal(list.entries[0].system, "web-1");
	assert_true(spool_read(spool, &list.entries[0], &text, &failure));
	assert_int_equal(buffer_size(&text), 4);
	assert_memory_equal(buffer_bytes(&text), "text", 4);
	buffer_fini(&text);
	spool_list_fini(&list);
	free(file);
	spool_close(spool);
}

static void
test_what_waits_is_listed_oldest_first_also_by_the_next_process(void **state)
{
	struct spool *spool = opened();
	char *files[] = {added(spool, "b", "1"), added(spool, "a", "1"), added(spool, "b", "2")};
	struct spool_list list;
	struct failure failure;

	(void)state;
	spool_close(spool);
	spool = opened();
	assert_true(spool_list(spool, &list, &failure));
	assert_int_equal(list.count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(list.entries[i].file, files[i]);
		free(files[i]);
	}
	spool_list_fini(&list);
	spool_close(spool);
}

static void
test_only_the_latest_of_a_system_is_not_added_again(void **state)
{
	struct spool *spool = opened();
	char *first = added(spool, "a", "1"), *other = added(spool, "b", "1");
	char *again = added(spool, "a", "1");

	(void)state;
	assert_string_equal(first, again);
	assert_int_equal(waiting(spool), 2);
	char *second = added(spool, "a", "2"), *back = added(spool, "a", "1");
	assert_string_not_equal(first, back);
	assert_int_equal(waiting(spool), 4);
	free(first);
	free(other);
	free(again);
	free(second);
	free(back);
	spool_close(spool);
}

static void
test_what_is_not_named_as_a_snapshot_does_not_wait(void **state)
{
#define HEX64 "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define MOMENT "20261124T144329.123456789Z"
	static const char *const names[] = {"outgoing/a", "outgoing/" MOMENT "-" HEX64 ".json",
	    "outgoing/" MOMENT "--" HEX64 ".json", "outgoing/" MOMENT "-a-" HEX64 ".txt",
	    "outgoing/" MOMENT "-a b-" HEX64 ".json",
	    "outgoing/x0261124T144329.123456789Z-a-" HEX64 ".json",
	    "outgoing/" MOMENT
	    "-a-Zf86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.json",
	    "outgoing/" MOMENT "-a-" HEX64 "0.json"};
	struct spool *spool = opened();

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		lay(names[i], "text");
	assert_int_equal(waiting(spool), 0);
	lay("outgoing/" MOMENT "-a-" HEX64 ".json", "test");
	assert_int_equal(waiting(spool), 1);
	spool_close(spool);
}

static void
test_what_a_killed_process_left_is_swept_and_nothing_else(void **state)
{
	struct spool *spool = opened();
	struct failure failure;

	(void)state;
	lay("outgoing/x.json.AbCdEf", "half");
	lay("receipts/x.json.AbCdEf", "half");
	lay("refused/x.reason.AbCdEf", "half");
	lay("receipts/x.json", "whole");
	lay("receipts/x.txt.AbCdEf", "somebody's");
	assert_true(spool_lock(spool, &failure));
	assert_int_equal(waiting(spool), 0);
	assert_false(is_there("outgoing/x.json.AbCdEf"));
	assert_false(is_there("receipts/x.json.AbCdEf"));
	assert_false(is_there("refused/x.reason.AbCdEf"));
	assert_true(is_there("receipts/x.json"));
	assert_true(is_there("receipts/x.txt.AbCdEf"));
	spool_close(spool);
}

static void
test_a_file_that_was_changed_is_not_read(void **state)
{
	struct spool *spool = opened();
	char *file = added(spool, "a", "1"), *name = buffer_text("outgoing/%s", file);
	struct spool_list list;
	struct failure failure;
	struct buffer text = {0};

	(void)state;
	lay(name, "2");
	assert_true(spool_list(spool, &list, &failure));
	assert_false(spool_read(spool, &list.entries[0], &text, &failure));
	assert_int_equal(failure.kind, FAILURE_SNAPSHOT);
	assert_int_equal(buffer_size(&text), 0);
	spool_list_fini(&list);
	free(name);
	free(file);
	spool_close(spool);
}

static void
test_a_receipt_ends_the_wait_and_is_kept(void **state)
{
	struct spool *spool = opened();
	char *file = added(spool, "a", "1");
	struct spool_list list;
	struct failure failure;
	struct buffer receipt = client_text("{}"), kept = {0};

	(void)state;
	assert_true(spool_lock(spool, &failure));
	assert_true(spool_list(spool, &list, &failure));
	assert_true(spool_keep_receipt(spool, &list.entries[0], &receipt, &failure));
	char *name = spool_receipt_name(spool, &list.entries[0]);
	assert_true(file_read(name, 2, &kept, &failure));
	assert_int_equal(waiting(spool), 0);
	assert_true(spool_was_taken(spool, file, &failure));
	buffer_fini(&receipt);
	buffer_fini(&kept);
	spool_list_fini(&list);
	free(name);
	free(file);
	spool_close(spool);
}

static void
test_what_was_refused_is_kept_with_its_reason(void **state)
{
	struct spool *spool = opened();
	char *file = added(spool, "a", "1"), *name = buffer_text("refused/%s", file);
	struct spool_list list;
	struct failure failure;

	(void)state;
	assert_true(spool_lock(spool, &failure));
	assert_true(spool_list(spool, &list, &failure));
	assert_true(spool_refuse(spool, &list.entries[0], "too large", &failure));
	assert_int_equal(waiting(spool), 0);
	assert_true(is_there(name));
	assert_false(spool_was_taken(spool, file, &failure));
	assert_int_equal(failure.kind, FAILURE_REFUSED);
	assert_non_null(strstr(failure.text, "too large"));
	spool_list_fini(&list);
	free(name);
	free(file);
	spool_close(spool);
}

static void
test_a_state_that_is_no_folder_is_a_failure(void **state)
{
	struct spool *spool = opened();
	struct failure failure;
	char *name = buffer_text("%s/state/file/state", folder);

	(void)state;
	spool_close(spool);
	lay("file", "");
	assert_null(spool_open(name, &failure));
	assert_int_equal(failure.kind, FAILURE_LOCAL);
	free(name);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
	        test_what_was_added_waits_and_is_read_as_it_was, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_what_waits_is_listed_oldest_first_also_by_the_next_process, make_folder,
	        remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_only_the_latest_of_a_system_is_not_added_again, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_what_is_not_named_as_a_snapshot_does_not_wait, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_what_a_killed_process_left_is_swept_and_nothing_else, make_folder,
	        remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_a_file_that_was_changed_is_not_read, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_a_receipt_ends_the_wait_and_is_kept, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_what_was_refused_is_kept_with_its_reason, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(
	        test_a_state_that_is_no_folder_is_a_failure, make_folder, remove_folder),
	};
	return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
