/* Counters with labels: their cells, their bounds, and what is said of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/node/customer_rows.h"
#include "gateway/node/handshake_cell.h"
#include "gateway/node/handshake_refusal.h"
#include "gateway/node/metrics_histogram.h"
#include "gateway/request/metrics_labels.h"

enum { WORKERS = 3 };

static struct metrics *metrics;

static int
make_metrics(void **state)
{
	(void)state;
	metrics = metrics_new(WORKERS);
	return metrics != NULL ? 0 : -1;
}

static int
free_metrics(void **state)
{
	(void)state;
	metrics_free(metrics);
	return 0;
}

static void
every_cell_of_every_family_is_its_own(void **state)
{
	static const unsigned sizes[] = {
#define SIZE(name, cells) cells,
	    METRICS_FAMILIES(SIZE)
#undef SIZE
	};
	uint64_t number = 0;

	(void)state;
	for (unsigned family = 0; family < METRICS_FAMILY_COUNT; family++)
		for (unsigned i = 0; i < sizes[family]; i++)
			metrics_cell_set(metrics, 1, (enum metrics_family)family, i, ++number);
	number = 0;
	for (unsigned family = 0; family < METRICS_FAMILY_COUNT; family++)
		for (unsigned i = 0; i < sizes[family]; i++)
			assert_int_equal(
			    metrics_cell_total(metrics, (enum metrics_family)family, i), ++number);
	for (unsigned i = 0; i < METRIC_COUNT; i++)
		assert_int_equal(metrics_total(metrics, (enum metric)i), 0);
}

static void
workers_add_up_whichever_process_counts(void **state)
{
	(void)state;
	for (unsigned worker = 0; worker <= WORKERS; worker++) {
		pid_t pid = fork();
		if (pid == 0) {
			for (int i = 0; i < 1000; i++)
				metrics_cell_add(metrics, worker, METRICS_FAMILY_CLOSES, 3, 2);
			_exit(0);
		}
		int status;
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	assert_int_equal(metrics_cell_total(metrics, METRICS_FAMILY_CLOSES, 3), 8000);
	assert_int_equal(metrics_cell_of(metrics, 2, METRICS_FAMILY_CLOSES, 3), 2000);
}

static void
a_dead_workers_connections_are_gone_and_its_counters_stay(void **state)
{
	(void)state;
	metrics_cell_set(metrics, 1, METRICS_FAMILY_STATES, 2, 5);
	metrics_cell_add(metrics, 1, METRICS_FAMILY_CLOSES, 2, 5);
	metrics_reset_gauges(metrics, 1);
	assert_int_equal(metrics_cell_total(metrics, METRICS_FAMILY_STATES, 2), 0);
	assert_int_equal(metrics_cell_total(metrics, METRICS_FAMILY_CLOSES, 2), 5);
}

static void
a_histogram_is_cumulative_and_ends_with_all(void **state)
{
	static const char expected[] = "mirrorgate_x_bucket{a=\"b\",le=\"0.0005\"} 1\n"
	                               "mirrorgate_x_bucket{a=\"b\",le=\"0.001\"} 2\n";
	static const char end[] = "mirrorgate_x_bucket{a=\"b\",le=\"300\"} 3\n"
	                          "mirrorgate_x_bucket{a=\"b\",le=\"+Inf\"} 4\n"
	                          "mirrorgate_x_sum{a=\"b\"} 1001.001000\n"
	                          "mirrorgate_x_count{a=\"b\"} 4\n";
	struct buffer out = {0};

	(void)state;
	metrics_histogram_print(metrics, METRICS_FAMILY_STORE_SECONDS, 1, "x", "a=\"b\"", &out);
	assert_int_equal(buffer_size(&out), 0);
	metrics_histogram_observe(metrics, 0, METRICS_FAMILY_STORE_SECONDS, 1, -5);
	metrics_histogram_observe(metrics, 1, METRICS_FAMILY_STORE_SECONDS, 1, 0.001);
	metrics_histogram_observe(metrics, 2, METRICS_FAMILY_STORE_SECONDS, 1, 1);
	metrics_histogram_observe(metrics, 2, METRICS_FAMILY_STORE_SECONDS, 1, 1000);
	metrics_histogram_observe(metrics, 2, METRICS_FAMILY_STORE_SECONDS, 2, 1000);
	metrics_histogram_print(metrics, METRICS_FAMILY_STORE_SECONDS, 1, "x", "a=\"b\"", &out);
	buffer_append(&out, "", 1);
	assert_memory_equal(buffer_bytes(&out), expected, sizeof expected - 1);
	assert_string_equal(buffer_bytes(&out) + buffer_size(&out) - sizeof end, end);
	buffer_fini(&out);
}

static void
customers_beyond_the_table_are_one(void **state)
{
	struct customer_rows *rows = metrics_customers(metrics);
	char name[32];
	unsigned seen[CUSTOMER_ROWS_MAX] = {0};

	(void)state;
	assert_int_equal(customer_rows_find(rows, "other"), CUSTOMER_ROWS_OTHER);
	for (int i = 0; i < CUSTOMER_ROWS_MAX; i++) {
		(void)snprintf(name, sizeof name, "customer-%d", i);
		unsigned row = customer_rows_find(rows, name);
		assert_true(row < CUSTOMER_ROWS_MAX);
		assert_int_equal(seen[row]++, 0);
		assert_string_equal(customer_rows_name(rows, row), name);
		assert_int_equal(customer_rows_find(rows, name), row);
	}
	assert_int_equal(customer_rows_find(rows, "one-too-many"), CUSTOMER_ROWS_OTHER);
	metrics_count_customer(metrics, 1, CUSTOMER_ROWS_OTHER, CUSTOMER_BYTES_RECEIVED, 7);
	assert_int_equal(
	    metrics_customer_total(metrics, CUSTOMER_ROWS_OTHER, CUSTOMER_BYTES_RECEIVED), 7);
}

static void
all_processes_find_a_customer_in_one_row(void **state)
{
	struct customer_rows *rows = metrics_customers(metrics);
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		_exit(customer_rows_find(rows, "acme") == CUSTOMER_ROWS_OTHER ? 1 : 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_string_equal(customer_rows_name(rows, customer_rows_find(rows, "acme")), "acme");
	unsigned named = 0;
	for (unsigned i = 0; i < CUSTOMER_ROWS_MAX; i++)
		named += customer_rows_name(rows, i) != NULL;
	assert_int_equal(named, 1);
}

static void
an_answer_is_counted_under_what_the_log_says(void **state)
{
	static const struct {
		enum operation operation;
		unsigned status;
		const char *reason, *labels;
	} rows[] = {
	    {OPERATION_DOWNLOAD, 200, NULL, "operation=\"download\",status=\"200\",reason=\"\""},
	    {OPERATION_NONE, 400, "malformed-request",
	        "operation=\"none\",status=\"400\",reason=\"malformed-request\""},
	    {OPERATION_METRICS, 504, "store-timeout",
	        "operation=\"metrics\",status=\"504\",reason=\"store-timeout\""},
	    {OPERATION_DOWNLOAD, 206, "below the minimum rate",
	        "operation=\"download\",status=\"206\",reason=\"cut\""},
	    {OPERATION_DOWNLOAD, 0, "connection reset by client",
	        "operation=\"download\",status=\"none\",reason=\"cut\""},
	    {OPERATION_DOWNLOAD, 299, NULL, "operation=\"download\",status=\"other\",reason=\"\""},
	};
	char text[METRICS_LABELS_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		unsigned cell = metrics_labels_response(
		    rows[i].operation, rows[i].status, metrics_labels_reason(rows[i].reason));
		metrics_labels_print_response(cell, text);
		assert_string_equal(text, rows[i].labels);
		metrics_cell_add(metrics, 0, METRICS_FAMILY_RESPONSES, cell, 1);
	}
}

static void
a_handshake_has_few_labels_whatever_libssl_says(void **state)
{
	static const struct {
		const char *version, *group;
		bool resumed;
		const char *labels;
	} rows[] = {
	    {"TLSv1.3", "x25519", false, "version=\"TLSv1.3\",group=\"x25519\",resumed=\"false\""},
	    {"TLSv1.2", NULL, true, "version=\"TLSv1.2\",group=\"none\",resumed=\"true\""},
	    {"TLSv1.3", "X25519MLKEM768", true,
	        "version=\"TLSv1.3\",group=\"X25519MLKEM768\",resumed=\"true\""},
	    {"TLSv1.2", "a\"b\n", false, "version=\"TLSv1.2\",group=\"other\",resumed=\"false\""},
	};
	char text[HANDSHAKE_CELL_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		handshake_cell_print(
		    handshake_cell_of(rows[i].version, rows[i].group, rows[i].resumed), text);
		assert_string_equal(text, rows[i].labels);
	}
}

static void
a_failed_handshake_has_one_of_few_reasons(void **state)
{
	static const struct {
		const char *reason, *label;
	} rows[] = {
	    {"certificate revoked", "revoked"},
	    {"certificate has expired", "expired"},
	    {"CRL has expired", "crl-expired"},
	    {"self-signed certificate in certificate chain", "unknown-ca"},
	    {"the RSA key is shorter than 2048 bits", "certificate-profile"},
	    {"too many handshakes", "too-many-handshakes"},
	    {"too many TLS records without application data", "protocol"},
	    {"handshake timeout", "timeout"},
	    {"connection reset by client", "client-left"},
	    {"client closed without close_notify", "client-left"},
	    {"something new", "other"},
	    {"", "other"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_string_equal(
		    handshake_refusal_label(handshake_refusal_of(rows[i].reason)), rows[i].label);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_metrics, free_metrics)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(every_cell_of_every_family_is_its_own),
	    TEST(workers_add_up_whichever_process_counts),
	    TEST(a_dead_workers_connections_are_gone_and_its_counters_stay),
	    TEST(a_histogram_is_cumulative_and_ends_with_all),
	    TEST(customers_beyond_the_table_are_one),
	    TEST(all_processes_find_a_customer_in_one_row),
	    TEST(an_answer_is_counted_under_what_the_log_says),
	    TEST(a_handshake_has_few_labels_whatever_libssl_says),
	    TEST(a_failed_handshake_has_one_of_few_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
