/* The last refusals: the newest first, whoever wrote them, and nothing that a page would obey. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gateway/node/last_refusals.h"

static void
add(struct last_refusals *self, unsigned worker, uint64_t now, const char *reason)
{
	const struct last_refusal_texts texts = {.reason = reason, .client = "192.0.2.1"};

	last_refusals_add(self, worker, now, 403, &texts);
}

static void
test_the_newest_come_first_and_the_oldest_are_forgotten(void **state)
{
	struct last_refusals *self = last_refusals_new(2);
	struct last_refusal newest[LAST_REFUSALS];

	(void)state;
	assert_int_equal(last_refusals_read(self, newest), 0);
	for (unsigned i = 1; i <= 3 * LAST_REFUSALS; i++)
		add(self, i % 2, i, "not-licensed");
	assert_int_equal(last_refusals_read(self, newest), LAST_REFUSALS);
	for (unsigned i = 0; i < LAST_REFUSALS; i++)
		assert_int_equal(newest[i].time, 3 * LAST_REFUSALS - i);
	assert_string_equal(newest[0].reason, "not-licensed");
	assert_string_equal(newest[0].customer, "");
	last_refusals_free(self);
}

static void
test_texts_are_cut_and_printable(void **state)
{
	struct last_refusals *self = last_refusals_new(1);
	struct last_refusal newest[LAST_REFUSALS];
	char text[200];

	(void)state;
	memset(text, 'x', sizeof text);
	text[0] = '\033';
	text[1] = '\xe2';
	text[sizeof text - 1] = '\0';
	add(self, 0, 1, text);
	assert_int_equal(last_refusals_read(self, newest), 1);
	assert_int_equal(strlen(newest[0].reason), sizeof newest[0].reason - 1);
	assert_memory_equal(newest[0].reason, "??xx", 4);
	last_refusals_free(self);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_newest_come_first_and_the_oldest_are_forgotten),
	    cmocka_unit_test(test_texts_are_cut_and_printable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
