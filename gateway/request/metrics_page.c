/*
 * The page that Prometheus scrapes. The hard part is what it may not say: labels are made of
 * numbers, of tables here and in gateway/node, of the configuration and of the policy's ids, never
 * of what a client sent. Series of which nothing was counted are left out where there are many.
 */
#include "metrics_page.h"

#include <assert.h>

#include "gateway/node/customer_rows.h"
#include "gateway/node/handshake_cell.h"
#include "gateway/node/handshake_refusal.h"
#include "gateway/node/metrics_histogram.h"
#include "gateway/node/process_cell.h"
#include "gateway/node/reload_cell.h"
#include "metrics_labels.h"
#include "readiness.h"

typedef unsigned long long number;

static void
print_head(struct buffer *out, const char *name, const char *type, const char *help)
{
	buffer_printf(
	    out, "# HELP mirrorgate_%s %s\n# TYPE mirrorgate_%s %s\n", name, help, name, type);
}

/* "..." as the text format wants it. */
static void
print_quoted(struct buffer *out, const char *text)
{
	buffer_puts(out, "\"");
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			buffer_puts(out, "\\");
		if (*text == '\n')
			buffer_puts(out, "\\n");
		else
			buffer_append(out, text, 1);
	}
	buffer_puts(out, "\"");
}

/* mirrorgate_NAME{KEY="LABEL"} VALUE */
static void
print_one(struct buffer *out, const char *name, const char *key, const char *label, number value)
{
	buffer_printf(out, "mirrorgate_%s{%s=", name, key);
	print_quoted(out, label);
	buffer_printf(out, "} %llu\n", value);
}

static void
print_alone(
    struct buffer *out, const char *name, const char *type, const char *help, long long value)
{
	print_head(out, name, type, help);
	buffer_printf(out, "mirrorgate_%s %lld\n", name, value);
}

/* ---- requests ---- */

static void
print_responses(const struct metrics *metrics, struct buffer *out)
{
	char labels[METRICS_LABELS_MAX];

	print_head(out, "responses_total", "counter",
	    "Requests that are over, by operation, status and reason of refusal");
	for (unsigned i = 0; i < OPERATION_COUNT * METRICS_STATUSES * METRICS_REASONS; i++) {
		number n = metrics_cell_total(metrics, METRICS_FAMILY_RESPONSES, i);
		if (n == 0)
			continue;
		metrics_labels_print_response(i, labels);
		buffer_printf(out, "mirrorgate_responses_total{%s} %llu\n", labels, n);
	}
}

static void
print_by_operation(const struct metrics *metrics, enum metrics_family family, const char *name,
    const char *help, struct buffer *out)
{
	char label[METRICS_LABELS_MAX];

	print_head(out, name, "histogram", help);
	for (unsigned i = 0; i < OPERATION_COUNT; i++) {
		metrics_labels_print_operation(i, label);
		metrics_histogram_print(metrics, family, i, name, label, out);
	}
}

static void
print_requests(const struct metrics *metrics, struct buffer *out)
{
	print_responses(metrics, out);
	print_by_operation(metrics, METRICS_FAMILY_REQUEST_SECONDS, "request_duration_seconds",
	    "From the first byte of a request to the last of its answer", out);
	print_by_operation(metrics, METRICS_FAMILY_FIRST_BYTE_SECONDS, "request_first_byte_seconds",
	    "From the first byte of a request to the first of its answer", out);
}

/* ---- handshakes and connections ---- */

static void
print_handshakes(const struct metrics *metrics, struct buffer *out)
{
	char labels[HANDSHAKE_CELL_TEXT];

	print_head(out, "tls_handshakes_total", "counter",
	    "TLS handshakes completed, by version, group of the key exchange and resumption");
	for (unsigned i = 0; i < METRICS_HANDSHAKES; i++) {
		number n = metrics_cell_total(metrics, METRICS_FAMILY_HANDSHAKES, i);
		if (n == 0)
			continue;
		handshake_cell_print(i, labels);
		buffer_printf(out, "mirrorgate_tls_handshakes_total{%s} %llu\n", labels, n);
	}
	print_head(out, "tls_handshake_failures_total", "counter",
	    "Connections that ended before a good handshake, by reason");
	for (unsigned i = 0; i < HANDSHAKE_REFUSAL_COUNT; i++)
		print_one(out, "tls_handshake_failures_total", "reason",
		    handshake_refusal_label((enum handshake_refusal)i),
		    metrics_cell_total(metrics, METRICS_FAMILY_HANDSHAKE_REFUSALS, i));
}

/* The cells of FAMILY, each with its name as KEY. */
static void
print_named(const struct metrics *metrics, enum metrics_family family, const char *name,
    const char *key, struct buffer *out)
{
	const char *const *names = metrics_cell_names(metrics, family);

	for (unsigned i = 0; names != NULL && names[i] != NULL; i++)
		print_one(out, name, key, names[i], metrics_cell_total(metrics, family, i));
}

static void
print_connections(const struct metrics *metrics, struct buffer *out)
{
	print_head(
	    out, "connections", "gauge", "Client connections by state, as of the last second");
	print_named(metrics, METRICS_FAMILY_STATES, "connections", "state", out);
	print_head(out, "connections_closed_total", "counter",
	    "Client connections that ended, by reason; the access log's `close`");
	print_named(metrics, METRICS_FAMILY_CLOSES, "connections_closed_total", "reason", out);
}

/* ---- the store ---- */

typedef number server_value_fn(const struct metrics *metrics, unsigned server);

static number
ejections(const struct metrics *metrics, unsigned server)
{
	return metrics_store_ejections(metrics, server);
}

static number
passed_over(const struct metrics *metrics, unsigned server)
{
	return metrics_store_passed_over(metrics, server);
}

static number
is_up(const struct metrics *metrics, unsigned server)
{
	return metrics_store_passed_over(metrics, server) < metrics_workers(metrics);
}

static number
failures(const struct metrics *metrics, unsigned server)
{
	return metrics_cell_total(metrics, METRICS_FAMILY_STORE_FAILURES, server);
}

static const struct {
	const char *name, *type, *help;
	server_value_fn *value;
} server_series[] = {
    {"store_ejections_total", "counter", "How often a worker found that a store server is not well",
        ejections},
    {"store_passed_over", "gauge", "Workers that pass this store server over", passed_over},
    {"store_up", "gauge", "1 when any worker takes this store server for well", is_up},
    {"store_server_failures_total", "counter",
        "Connections that this store server refused, and requests that it failed", failures},
};

static void
print_stores(const struct services *services, struct buffer *out)
{
	const struct config *config = services->config;
	static const char seconds[] = "store_response_seconds";
	struct buffer label = {0};

	for (size_t k = 0; k < sizeof server_series / sizeof *server_series; k++) {
		const char *name = server_series[k].name;
		print_head(out, name, server_series[k].type, server_series[k].help);
		for (unsigned i = 0; i < config->store_count; i++)
			print_one(out, name, "server", config->stores[i].name,
			    server_series[k].value(services->metrics, config->stores[i].slot));
	}
	print_head(out, seconds, "histogram",
	    "From the choice of a store server to the head of its answer");
	for (unsigned i = 0; i < config->store_count; i++) {
		buffer_consume(&label, buffer_size(&label));
		buffer_puts(&label, "server=");
		print_quoted(&label, config->stores[i].name);
		buffer_append(&label, "", 1);
		metrics_histogram_print(services->metrics, METRICS_FAMILY_STORE_SECONDS,
		    config->stores[i].slot, seconds, buffer_bytes(&label), out);
	}
	buffer_fini(&label);
}

/* ---- customers ---- */

static const struct {
	enum customer_cell cell;
	const char *name, *help;
} customer_series[] = {
    {CUSTOMER_REQUESTS, "customer_requests_total", "Requests by customer; `other`: all the rest"},
    {CUSTOMER_REFUSALS, "customer_refusals_total", "Of these, those refused or cut"},
    {CUSTOMER_BYTES_SENT, "customer_sent_bytes_total", "Bytes of answers sent to a customer"},
    {CUSTOMER_BYTES_RECEIVED, "customer_received_bytes_total", "Bytes of requests from a customer"},
};

static void
print_customers(const struct metrics *metrics, struct buffer *out)
{
	const struct customer_rows *rows = metrics_customers(metrics);

	for (size_t k = 0; k < sizeof customer_series / sizeof *customer_series; k++) {
		const char *name = customer_series[k].name;
		print_head(out, name, "counter", customer_series[k].help);
		for (unsigned row = 0; row < CUSTOMER_ROWS_MAX; row++) {
			const char *customer = customer_rows_name(rows, row);
			if (customer != NULL)
				print_one(out, name, "customer", customer,
				    metrics_customer_total(metrics, row, customer_series[k].cell));
		}
		print_one(out, name, "customer", CUSTOMER_ROWS_OTHER_NAME,
		    metrics_customer_total(metrics, CUSTOMER_ROWS_OTHER, customer_series[k].cell));
	}
}

/* ---- the node ---- */

static void
print_ends(const struct services *services, struct buffer *out)
{
	print_alone(out, "crl_expiry_timestamp_seconds", "gauge",
	    "When the first revocation list expires, Unix time; 0: there is none",
	    (long long)tls_context_crl_expires(services->tls));
	print_alone(out, "certificate_expiry_timestamp_seconds", "gauge",
	    "When the server certificate, or one of its chain, expires, Unix time",
	    (long long)tls_context_certificate_expires(services->tls));
	print_alone(out, "client_ca_expiry_timestamp_seconds", "gauge",
	    "When the first of the client CAs expires, Unix time",
	    (long long)tls_context_client_ca_expires(services->tls));
}

static void
print_process(struct buffer *out, const char *role, int worker, const char *name, double value)
{
	buffer_printf(out, "mirrorgate_%s{role=\"%s\",worker=\"", name, role);
	if (worker >= 0)
		buffer_printf(out, "%d", worker);
	buffer_printf(out, "\"} %.15g\n", value);
}

static void
print_reloads(const struct metrics *metrics, struct buffer *out)
{
#define RELOAD_FILE_LABEL(name, label) label,
	static const char *const files[] = {RELOAD_FILE_TABLE(RELOAD_FILE_LABEL)};
#undef RELOAD_FILE_LABEL
	static const char *const results[] = {
	    [RELOAD_APPLIED] = "applied", [RELOAD_REFUSED] = "refused"};

	print_head(out, "reload_files_total", "counter",
	    "Files that a reload changed, or for which it was refused, by result");
	for (unsigned i = 0; i < RELOAD_RESULT_COUNT * RELOAD_FILE_COUNT; i++)
		buffer_printf(out,
		    "mirrorgate_reload_files_total{result=\"%s\",file=\"%s\"} %llu\n",
		    results[i / RELOAD_FILE_COUNT], files[i % RELOAD_FILE_COUNT],
		    (number)metrics_cell_total(metrics, METRICS_FAMILY_RELOADS, i));
}

static void
print_processes(const struct metrics *metrics, struct buffer *out)
{
	static const char cpu[] = "process_cpu_seconds_total";
	static const char memory[] = "process_resident_memory_bytes";
	static const double microseconds = 1e6;
	unsigned workers = metrics_workers(metrics);

	print_head(out, cpu, "counter", "Processor time, by role of the process");
	for (unsigned i = 0; i <= workers; i++)
		print_process(out, i < workers ? "worker" : "supervisor", i < workers ? (int)i : -1,
		    cpu,
		    (double)metrics_cell_of(
		        metrics, i, METRICS_FAMILY_PROCESS, PROCESS_CPU_MICROSECONDS) /
		        microseconds);
	print_process(out, "loader", -1, cpu,
	    (double)metrics_cell_total(metrics, METRICS_FAMILY_LOADER, PROCESS_CPU_MICROSECONDS) /
	        microseconds);
	print_process(out, "key_holder", -1, cpu,
	    (double)metrics_cell_total(
	        metrics, METRICS_FAMILY_KEY_HOLDER, PROCESS_CPU_MICROSECONDS) /
	        microseconds);
	print_head(out, memory, "gauge",
	    "Resident memory, shared pages included, by role; of the loader, the most that the "
	    "last load took");
	for (unsigned i = 0; i <= workers; i++)
		print_process(out, i < workers ? "worker" : "supervisor", i < workers ? (int)i : -1,
		    memory,
		    (double)metrics_cell_of(
		        metrics, i, METRICS_FAMILY_PROCESS, PROCESS_RESIDENT_BYTES));
	print_process(out, "loader", -1, memory,
	    (double)metrics_cell_total(metrics, METRICS_FAMILY_LOADER, PROCESS_RESIDENT_BYTES));
	print_process(out, "key_holder", -1, memory,
	    (double)metrics_cell_total(metrics, METRICS_FAMILY_KEY_HOLDER, PROCESS_RESIDENT_BYTES));
}

void
metrics_page_print(const struct services *services, time_t now, struct buffer *out)
{
	const struct metrics *metrics = services->metrics;

	metrics_print(metrics, out);
	print_requests(metrics, out);
	print_handshakes(metrics, out);
	print_connections(metrics, out);
	print_stores(services, out);
	print_customers(metrics, out);
	print_alone(
	    out, "generation", "gauge", "The generation in force", (long long)services->generation);
	print_alone(out, "policy_serial", "gauge", "The serial of the policy in force",
	    (long long)policy_serial(services->policy));
	print_alone(out, "healthy", "gauge", "1 when healthz answers 200",
	    readiness_unhealthy(services, now) == NULL);
	print_alone(
	    out, "ready", "gauge", "1 when readyz answers 200", readiness_is_ready(services, now));
	print_ends(services, out);
	print_reloads(metrics, out);
	print_processes(metrics, out);
	print_head(out, "worker_restarts_total", "counter",
	    "Workers that ended without being told to, by cause");
	print_named(metrics, METRICS_FAMILY_WORKER_ENDS, "worker_restarts_total", "cause", out);
}
