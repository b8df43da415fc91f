/* The state of the node. The one hard part: a worker may write anything into shared memory, so
 * numbers are only shown, and names are escaped. */
#include "node_report.h"

#include <string.h>

#include "base/json_writer.h"
#include "gateway/node/last_refusals.h"
#include "gateway/node/node_cell.h"
#include "gateway/node/process_cell.h"

static void
open_list(struct buffer *out, const char *key)
{
	json_writer_key(out, key);
	buffer_puts(out, "[");
}

/* Begins an object in a list. */
static void
open_item(struct buffer *out)
{
	buffer_puts(out, out->data[out->end - 1] == '[' ? "{" : ",{");
}

static bool
is_up(const struct node_report *self, unsigned slot)
{
	return metrics_store_passed_over(self->metrics, slot) < metrics_workers(self->metrics);
}

const char *
node_report_unhealthy(const struct node_report *self)
{
	uint64_t crl_ends = node_cell_value(self->metrics, NODE_CRL_ENDS);

	if (self->draining)
		return "draining";
	if (crl_ends != 0 && (uint64_t)self->now >= crl_ends)
		return "crl-expired";
	for (size_t i = 0; i < self->config->store_count; i++)
		if (is_up(self, self->config->stores[i].slot))
			return NULL;
	return "store-unavailable";
}

/* ---- customers ---- */

static uint64_t
rate_of(const struct node_report *self, unsigned row)
{
	return history_customer_rate(self->history, row, CUSTOMER_BYTES_SENT) +
	       history_customer_rate(self->history, row, CUSTOMER_BYTES_RECEIVED);
}

static uint64_t
bytes_of(const struct node_report *self, unsigned row)
{
	return metrics_customer_total(self->metrics, row, CUSTOMER_BYTES_SENT) +
	       metrics_customer_total(self->metrics, row, CUSTOMER_BYTES_RECEIVED);
}

/* What a row is ranked by; kept aside, for it may change while others are compared. */
struct rank {
	unsigned row;
	uint64_t rate, bytes;
};

static bool
is_busier(const struct rank *a, const struct rank *b)
{
	return a->rate != b->rate ? a->rate > b->rate : a->bytes > b->bytes;
}

unsigned
node_report_rank(const struct node_report *self, unsigned *rows, unsigned max)
{
	const struct customer_rows *customers = metrics_customers(self->metrics);
	struct rank ranks[CUSTOMER_ROWS_MAX];
	unsigned count = 0;

	for (unsigned row = 0; row < CUSTOMER_ROWS_MAX; row++) {
		struct rank rank = {row, rate_of(self, row), bytes_of(self, row)};
		if (customer_rows_name(customers, row) == NULL)
			continue;
		unsigned at = count++;
		for (; at > 0 && is_busier(&rank, &ranks[at - 1]); at--)
			ranks[at] = ranks[at - 1];
		ranks[at] = rank;
	}
	if (count > max)
		count = max;
	for (unsigned i = 0; i < count; i++)
		rows[i] = ranks[i].row;
	return count;
}

static void
print_customer(const struct node_report *self, const char *name, unsigned row, struct buffer *out)
{
	static const struct {
		const char *key;
		enum customer_cell cell;
	} cells[] = {{"requests", CUSTOMER_REQUESTS}, {"refusals", CUSTOMER_REFUSALS},
	    {"sent_bytes", CUSTOMER_BYTES_SENT}, {"received_bytes", CUSTOMER_BYTES_RECEIVED}};
	struct quota_key key = quota_text_key(self->quota, name);

	open_item(out);
	json_writer_member(out, "customer", name);
	if (row != CUSTOMER_ROWS_OTHER)
		json_writer_number(out, "connections", quota_connection_count(self->quota, key));
	json_writer_number(out, "sent_bytes_per_second",
	    history_customer_rate(self->history, row, CUSTOMER_BYTES_SENT));
	json_writer_number(out, "received_bytes_per_second",
	    history_customer_rate(self->history, row, CUSTOMER_BYTES_RECEIVED));
	for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
		json_writer_number(
		    out, cells[i].key, metrics_customer_total(self->metrics, row, cells[i].cell));
	buffer_puts(out, "}");
}

void
node_report_print_customers(const struct node_report *self, unsigned max, struct buffer *out)
{
	unsigned rows[CUSTOMER_ROWS_MAX];
	unsigned count = node_report_rank(self, rows, max);

	open_list(out, "busiest");
	for (unsigned i = 0; i < count; i++)
		print_customer(self, customer_rows_name(metrics_customers(self->metrics), rows[i]),
		    rows[i], out);
	if (metrics_customer_total(self->metrics, CUSTOMER_ROWS_OTHER, CUSTOMER_REQUESTS) > 0)
		print_customer(self, CUSTOMER_ROWS_OTHER_NAME, CUSTOMER_ROWS_OTHER, out);
	buffer_puts(out, "]");
}

/* ---- the rest ---- */

static void
print_stores(const struct node_report *self, struct buffer *out)
{
	open_list(out, "stores");
	for (size_t i = 0; i < self->config->store_count; i++) {
		const struct config_store *store = &self->config->stores[i];
		open_item(out);
		json_writer_member(out, "server", store->name);
		json_writer_key(out, "up");
		buffer_puts(out, is_up(self, store->slot) ? "true" : "false");
		json_writer_number(
		    out, "passed_over", metrics_store_passed_over(self->metrics, store->slot));
		json_writer_number(
		    out, "ejections", metrics_store_ejections(self->metrics, store->slot));
		json_writer_number(out, "failures",
		    metrics_cell_total(self->metrics, METRICS_FAMILY_STORE_FAILURES, store->slot));
		buffer_puts(out, "}");
	}
	buffer_puts(out, "]");
}

static void
print_generations(const struct node_report *self, struct buffer *out)
{
	struct history_generation generations[HISTORY_GENERATIONS];
	unsigned count = history_generations(self->history, generations);

	open_list(out, "generations");
	for (unsigned i = 0; i < count; i++) {
		open_item(out);
		json_writer_number(out, "generation", generations[i].number);
		json_writer_number(out, "time", generations[i].time);
		json_writer_number(out, "kept", generations[i].kept);
		json_writer_number(out, "cut", generations[i].cut);
		buffer_puts(out, "}");
	}
	buffer_puts(out, "]");
}

static void
print_processes(const struct node_report *self, struct buffer *out)
{
	static const unsigned microseconds_per_millisecond = 1000;
	unsigned workers = metrics_workers(self->metrics);

	open_list(out, "processes");
	for (unsigned i = 0; i <= workers; i++) {
		open_item(out);
		json_writer_member(out, "role", i < workers ? "worker" : "supervisor");
		json_writer_number(out, "cpu_milliseconds",
		    metrics_cell_of(
		        self->metrics, i, METRICS_FAMILY_PROCESS, PROCESS_CPU_MICROSECONDS) /
		        microseconds_per_millisecond);
		json_writer_number(out, "resident_bytes",
		    metrics_cell_of(
		        self->metrics, i, METRICS_FAMILY_PROCESS, PROCESS_RESIDENT_BYTES));
		buffer_puts(out, "}");
	}
	buffer_puts(out, "]");
}

static void
print_sample(const struct history_sample *sample, struct buffer *out)
{
	const struct {
		const char *key;
		uint64_t n;
	} rates[] = {
	    {"sent_bytes_per_second", sample->sent_bytes},
	    {"received_bytes_per_second", sample->received_bytes},
	    {"requests_per_second", sample->requests},
	    {"refused_per_second", sample->refused},
	    {"handshakes_per_second", sample->handshakes},
	    {"handshakes_refused_per_second", sample->handshakes_refused},
	};

	json_writer_number(out, "time", sample->time);
	json_writer_number(out, "connections", sample->connections);
	for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
		json_writer_number(
		    out, rates[i].key, history_per_second(rates[i].n, sample->milliseconds));
}

void
node_report_print_samples(const struct node_report *self, struct buffer *out)
{
	struct history_sample samples[HISTORY_SAMPLES];
	unsigned count = history_samples(self->history, samples);

	open_list(out, "samples");
	for (unsigned i = 0; i < count; i++) {
		open_item(out);
		print_sample(&samples[i], out);
		buffer_puts(out, "}");
	}
	buffer_puts(out, "]");
}

static void
print_last_sample(const struct node_report *self, struct buffer *out)
{
	struct history_sample samples[HISTORY_SAMPLES] = {{0}};
	unsigned count = history_samples(self->history, samples);
	struct history_sample last = samples[count > 0 ? count - 1 : 0];

	last.time = (uint64_t)self->now;
	last.connections = metrics_total(self->metrics, METRIC_CONNECTIONS_OPEN);
	json_writer_key(out, "now");
	buffer_puts(out, "{");
	print_sample(&last, out);
	buffer_puts(out, "}");
}

static void
print_refusals(const struct node_report *self, struct buffer *out)
{
	struct last_refusal newest[LAST_REFUSALS];
	unsigned count = last_refusals_read(metrics_refusals(self->metrics), newest);

	open_list(out, "refusals");
	for (unsigned i = 0; i < count; i++) {
		const struct last_refusal *refusal = &newest[i];
		open_item(out);
		json_writer_number(out, "time", refusal->time);
		json_writer_number(out, "status", refusal->status);
		json_writer_member(out, "operation", refusal->operation);
		json_writer_member(out, "reason", refusal->reason);
		json_writer_member(out, "customer", refusal->customer);
		json_writer_member(out, "client", refusal->client);
		buffer_puts(out, "}");
	}
	buffer_puts(out, "]");
}

void
node_report_print(const struct node_report *self, struct buffer *out)
{
	static const struct {
		const char *key;
		enum node_cell cell;
	} cells[] = {
	    {"policy_serial", NODE_POLICY_SERIAL},
	    {"customers", NODE_CUSTOMERS},
	    {"certificate_ends", NODE_CERTIFICATE_ENDS},
	    {"client_ca_ends", NODE_CLIENT_CA_ENDS},
	    {"crl_ends", NODE_CRL_ENDS},
	};
	const char *unhealthy = node_report_unhealthy(self);

	json_writer_member(out, "version", MIRRORGATE_VERSION);
	json_writer_member(out, "health", unhealthy != NULL ? unhealthy : "ok");
	json_writer_number(out, "started", history_started(self->history));
	json_writer_number(out, "generation", self->generation);
	for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
		json_writer_number(
		    out, cells[i].key, node_cell_value(self->metrics, cells[i].cell));
	print_last_sample(self, out);
	print_stores(self, out);
	print_generations(self, out);
	print_processes(self, out);
	node_report_print_customers(self, NODE_REPORT_BUSIEST, out);
	print_refusals(self, out);
}
