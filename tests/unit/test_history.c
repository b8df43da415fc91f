/* The last ten minutes: differences of counters, as many as there is room for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/node/history.h"

static void
test_a_sample_has_what_came_since_the_one_before(void **state)
{
	struct history *self = history_new();
	struct metrics *metrics = metrics_new(1);
	struct history_sample samples[HISTORY_SAMPLES];

	(void)state;
	metrics_add(metrics, 0, METRIC_BYTES_SENT, 100);
	history_measure(self, metrics, 1000);
	assert_int_equal(history_samples(self, samples), 0);
	metrics_add(metrics, 0, METRIC_BYTES_SENT, 500);
	unsigned row = customer_rows_find(metrics_customers(metrics), "acme");
	metrics_count_customer(metrics, 0, row, CUSTOMER_BYTES_SENT, 50);
	history_measure(self, metrics, 1005);
	assert_int_equal(history_samples(self, samples), 1);
	assert_int_equal(samples[0].sent_bytes, 500);
	assert_int_equal(samples[0].milliseconds, 5000);
	assert_int_equal(history_customer_rate(self, row, CUSTOMER_BYTES_SENT), 10);
	/* A clock that was set back makes no interval of less than nothing. */
	history_measure(self, metrics, 500);
	assert_int_equal(history_samples(self, samples), 2);
	assert_int_equal(samples[1].milliseconds, HISTORY_INTERVAL * 1000);
	assert_int_equal(history_customer_rate(self, row, CUSTOMER_BYTES_SENT), 0);
	metrics_free(metrics);
	history_free(self);
}

static void
test_the_oldest_are_forgotten(void **state)
{
	struct history *self = history_new();
	struct metrics *metrics = metrics_new(1);
	struct history_sample samples[HISTORY_SAMPLES];
	struct history_generation generations[HISTORY_GENERATIONS];

	(void)state;
	for (unsigned i = 0; i <= 3 * HISTORY_SAMPLES; i++)
		history_measure(self, metrics, 1000 + i);
	assert_int_equal(history_samples(self, samples), HISTORY_SAMPLES);
	assert_int_equal(samples[0].time, 1000 + 2 * HISTORY_SAMPLES + 1);
	assert_int_equal(samples[HISTORY_SAMPLES - 1].time, 1000 + 3 * HISTORY_SAMPLES);
	for (unsigned i = 1; i <= 3 * HISTORY_GENERATIONS; i++)
		history_add_generation(self, &(struct history_generation){.number = i});
	assert_int_equal(history_generations(self, generations), HISTORY_GENERATIONS);
	assert_int_equal(generations[0].number, 3 * HISTORY_GENERATIONS);
	metrics_free(metrics);
	history_free(self);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_sample_has_what_came_since_the_one_before),
	    cmocka_unit_test(test_the_oldest_are_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
