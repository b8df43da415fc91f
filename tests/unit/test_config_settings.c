/*
 * Settings as text: one line for each key, values written in one way, and what differs. And a file
 * that is loaded again: what stays, and what is new.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "gateway/config/config_settings.h"
#include "gateway/config/config_stores.h"
#include "sample.h"

/* The settings of the sample with ADDITION, the caller's. */
static char *
settings(const char *addition)
{
	struct config *config = sample_load_added(addition);
	struct buffer text = {0};

	config_settings_print(config, &text);
	buffer_append(&text, "", 1);
	config_free(config);
	return buffer_bytes(&text);
}

static void
assert_setting(const char *addition, const char *line)
{
	char *text = settings(addition), *whole = buffer_text("\n%s\n", line);

	if (strstr(text, whole) == NULL)
		fail_msg("no line \"%s\" in\n%s", line, text);
	free(whole);
	free(text);
}

static void
test_values_are_written_in_one_way(void **state)
{
	(void)state;
	assert_setting("timeouts: {idle: 60s}", "timeouts.idle: 1m");
	assert_setting("timeouts: {idle: 61s}", "timeouts.idle: 61s");
	assert_setting("timeouts: {idle: 1ms}", "timeouts.idle: 1ms");
	assert_setting("timeouts: {idle: 24h}", "timeouts.idle: 1d");
	assert_setting("drain: {announce: 0s}", "drain.announce: 0ms");
	assert_setting("timeouts: {min_rate: 2048}", "timeouts.min_rate: 2K");
	assert_setting("timeouts: {min_rate: \"0\"}", "timeouts.min_rate: 0");
	assert_setting("timeouts: {min_rate: 1023}", "timeouts.min_rate: 1023");
	assert_setting("limits: {requests_per_second: 7}", "limits.requests_per_second: 7");
	assert_setting("limits: {connections: 100}", "limits.reserved_connections: 5");
	assert_setting("", "tls.ciphers: default");
}

static void
test_what_is_not_there_is_said_to_be_none(void **state)
{
	(void)state;
	assert_setting("", "user: (none)");
	assert_setting("", "server_names: (none)");
	assert_setting("", "workers: auto");
	assert_setting("", "log.access: -");
	assert_setting("log: {access: none}", "log.access: none");
	assert_setting(
	    "server_names: [b.example, A.example]", "server_names: b.example, a.example");
	assert_setting("", "store.servers: 127.0.0.1:80");
}

struct seen {
	struct buffer text;
};

static void
note(const struct config_change *change, void *arg)
{
	struct seen *self = arg;

	buffer_printf(&self->text, "%s: %s -> %s%s\n", change->key, change->before, change->after,
	    change->needs_restart ? " !" : "");
}

/* BEFORE and AFTER must differ as EXPECTED says, in so many keys that need a restart. */
static void
assert_changes(const char *before, const char *after, unsigned restarts, const char *expected)
{
	struct seen seen = {0};

	assert_int_equal(config_settings_compare(before, after, note, &seen), restarts);
	buffer_append(&seen.text, "", 1);
	assert_string_equal(buffer_bytes(&seen.text), expected);
	buffer_fini(&seen.text);
}

static void
test_each_key_that_differs_is_told(void **state)
{
	(void)state;
	assert_changes("a: 1\nb: 2\n", "a: 1\nb: 2\n", 0, "");
	assert_changes("a: 1\nb: 2\n", "b: 2\na: 3\n", 0, "a: 1 -> 3\n");
	assert_changes("a: 1\n", "a: 1\nnew: x: y\n", 0, "new: (none) -> x: y\n");
	assert_changes("", "a: (none)\n", 0, "");
	assert_changes("workers: 1\nuser: a\nlisten: x\nworkers_: 1\n",
	    "workers: 2\nuser: b\nlisten: y\nworkers_: 2\n", 3,
	    "workers: 1 -> 2 !\nuser: a -> b !\nlisten: x -> y !\nworkers_: 1 -> 2\n");
}

static void
test_text_that_is_no_setting_is_passed_over(void **state)
{
	(void)state;
	assert_changes("nothing\n\na: 1", "nothing else\na: 1\n", 0, "a: (none) -> 1\n");
}

/* Loads the file of BEFORE again, with ADDITION to the sample; whether it is another one. */
static struct config *
load_again(struct config *before, const char *addition)
{
	struct problems *problems = problems_new();

	sample_write(sample_text(0, NULL, addition));
	struct config *after = config_load_again(before, problems);
	assert_int_equal(problems_count(problems), after == NULL ? 1 : 0);
	problems_free(problems);
	return after;
}

static void
test_a_file_of_the_same_bytes_is_the_same_configuration(void **state)
{
	struct config *before = sample_load_added("user: a");
	struct config *again = load_again(before, "user: a");

	(void)state;
	assert_ptr_equal(again, before);
	config_free(before);
	assert_string_equal(again->user, "a");
	config_free(again);
}

static void
test_another_file_is_the_next_configuration_or_none(void **state)
{
	struct config *before = sample_load_added("user: a");
	struct config *after = load_again(before, "user: b");

	(void)state;
	assert_string_equal(before->user, "a");
	assert_string_equal(after->user, "b");
	assert_int_equal(after->serial, before->serial + 1);
	assert_null(load_again(before, "user: \"\""));
	config_free(before);
	config_free(after);
}

static struct config *
with_stores(struct config *before, const char *servers)
{
	struct problems *problems = problems_new();

	sample_write(sample_text(11, servers, ""));
	struct config *after = before != NULL ? config_load_again(before, problems)
	                                      : config_load(sample_file, false, problems);
	assert_int_equal(problems_count(problems), 0);
	problems_free(problems);
	return after;
}

static void
test_a_store_keeps_its_slot_and_another_never_takes_it_at_once(void **state)
{
	struct config *a = with_stores(NULL, "  servers: [\"unix:a\", \"unix:b\"]");
	struct config *b = with_stores(a, "  servers: [\"unix:c\", \"unix:b\"]");
	struct config *c = with_stores(b, "  servers: [\"unix:b\", \"unix:d\"]");

	(void)state;
	assert_int_equal(a->stores[0].slot, 0);
	assert_int_equal(a->stores[1].slot, 1);
	assert_int_equal(b->stores[0].slot, 2);
	assert_int_equal(b->stores[1].slot, 1);
	assert_int_equal(c->stores[0].slot, 1);
	assert_int_equal(c->stores[1].slot, 0);
	assert_false(config_stores_have_slot(b, 0));
	assert_true(config_stores_have_slot(b, 2));
	assert_false(config_stores_are_same(a, b));
	assert_true(config_stores_are_same(a, a));
	config_free(a);
	config_free(b);
	config_free(c);
}

static void
test_other_rules_make_another_store(void **state)
{
	static const char *const rules[] = {"  probe: /x", "  eject_after: 9", "  eject_time: 9s",
	    "  host: store.example", "timeouts: {store_connect: 9s}"};
	struct config *before = sample_load_added("");

	(void)state;
	for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		struct config *after = load_again(before, rules[i]);
		assert_false(config_stores_are_same(before, after));
		config_free(after);
	}
	struct config *after = load_again(before, "timeouts: {idle: 9s}");
	assert_true(config_stores_are_same(before, after));
	config_free(after);
	config_free(before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values_are_written_in_one_way),
	    cmocka_unit_test(test_what_is_not_there_is_said_to_be_none),
	    cmocka_unit_test(test_each_key_that_differs_is_told),
	    cmocka_unit_test(test_text_that_is_no_setting_is_passed_over),
	    cmocka_unit_test(test_a_file_of_the_same_bytes_is_the_same_configuration),
	    cmocka_unit_test(test_another_file_is_the_next_configuration_or_none),
	    cmocka_unit_test(test_a_store_keeps_its_slot_and_another_never_takes_it_at_once),
	    cmocka_unit_test(test_other_rules_make_another_store),
	};

	return cmocka_run_group_tests(tests, sample_setup, sample_teardown);
}
