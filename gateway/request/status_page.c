/*
 * The page for observers. The hard part is what it may not trust: whatever a worker may have
 * written into shared memory is a number, or is escaped, and the policy of the page allows no
 * script at all.
 */
#include "status_page.h"

#include <string.h>

#include "gateway/node/last_refusals.h"
#include "gateway/node/node_cell.h"
#include "gateway/node/process_cell.h"
#include "status_style.h"

enum {
	CHART_WIDTH = 240,
	CHART_HEIGHT = 56,
	MINUTE = 60,
	HOUR = 60 * MINUTE,
	DAY = 24 * HOUR,
	SOON = 14 * DAY, /* what ends before is marked */
};

const char status_page_headers[] =
    "Content-Security-Policy: default-src 'none'; style-src 'sha256-" STATUS_STYLE_SHA256
    "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n";

/* ---- texts ---- */

static void
print_text(struct buffer *out, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '<':
			buffer_puts(out, "&lt;");
			break;
		case '>':
			buffer_puts(out, "&gt;");
			break;
		case '&':
			buffer_puts(out, "&amp;");
			break;
		case '"':
			buffer_puts(out, "&quot;");
			break;
		default:
			buffer_append(out, text, 1);
		}
	}
}

static void
print_size(struct buffer *out, uint64_t bytes, const char *unit)
{
	static const char *const prefixes[] = {"", "k", "M", "G", "T", "P"};
	double value = (double)bytes;
	size_t i = 0;

	for (; value >= 1000 && i + 1 < sizeof prefixes / sizeof *prefixes; i++)
		value /= 1000;
	buffer_printf(out, i == 0 ? "%.0f %s%s" : "%.1f %s%s", value, prefixes[i], unit);
}

static void
print_duration(struct buffer *out, uint64_t seconds)
{
	unsigned long long n = seconds;

	if (n >= DAY)
		buffer_printf(out, "%llu d %llu h", n / DAY, n % DAY / HOUR);
	else if (n >= HOUR)
		buffer_printf(out, "%llu h %llu min", n / HOUR, n % HOUR / MINUTE);
	else
		buffer_printf(out, "%llu min %llu s", n / MINUTE, n % MINUTE);
}

static void
print_time(struct buffer *out, uint64_t seconds)
{
	time_t when = (time_t)seconds;
	struct tm parts;
	char text[64];

	if (gmtime_r(&when, &parts) != NULL &&
	    strftime(text, sizeof text, "<time>%Y-%m-%d %H:%M:%S</time>", &parts) > 0)
		buffer_puts(out, text);
}

/* ---- tables ---- */

/* COLUMNS are ended by NULL; those that begin with "#" are numbers. */
static void
open_table_in(
    struct buffer *out, const char *section, const char *title, const char *const *columns)
{
	buffer_printf(out, "<%s><h2>%s</h2><div class=t><table><tr>", section, title);
	for (; *columns != NULL; columns++)
		if (**columns == '#')
			buffer_printf(out, "<th class=n>%s", *columns + 1);
		else
			buffer_printf(out, "<th>%s", *columns);
	buffer_puts(out, "\n");
}

static void
open_table(struct buffer *out, const char *title, const char *const *columns)
{
	open_table_in(out, "section", title, columns);
}

/* One that has many columns. */
static void
open_wide_table(struct buffer *out, const char *title, const char *const *columns)
{
	open_table_in(out, "section class=w", title, columns);
}

static void
close_table(struct buffer *out)
{
	buffer_puts(out, "</table></div></section>\n");
}

static void
print_number_cell(struct buffer *out, uint64_t n)
{
	buffer_printf(out, "<td class=n>%llu", (unsigned long long)n);
}

static void
print_text_cell(struct buffer *out, const char *text)
{
	buffer_puts(out, "<td>");
	print_text(out, text);
}

static void
print_size_cell(struct buffer *out, uint64_t bytes, const char *unit)
{
	buffer_puts(out, "<td class=n>");
	print_size(out, bytes, unit);
}

/* ---- charts ---- */

static const struct chart {
	const char *title;
	size_t offset;    /* of the number in a sample */
	const char *unit; /* of bytes; NULL: a count */
	bool is_rate;
} charts[] = {
    {"Sent", offsetof(struct history_sample, sent_bytes), "B/s", true},
    {"Received", offsetof(struct history_sample, received_bytes), "B/s", true},
    {"Connections", offsetof(struct history_sample, connections), NULL, false},
    {"Requests", offsetof(struct history_sample, requests), NULL, true},
    {"Refused requests", offsetof(struct history_sample, refused), NULL, true},
    {"Handshakes", offsetof(struct history_sample, handshakes), NULL, true},
    {"Refused handshakes", offsetof(struct history_sample, handshakes_refused), NULL, true},
};

static double
value_of(const struct chart *chart, const struct history_sample *sample)
{
	uint64_t n;

	memcpy(&n, (const char *)sample + chart->offset, sizeof n);
	if (!chart->is_rate)
		return (double)n;
	return sample->milliseconds > 0 ? (double)n * 1000 / (double)sample->milliseconds : 0;
}

static void
print_value(struct buffer *out, const struct chart *chart, double n)
{
	static const double few = 10; /* are shown with a decimal */

	if (chart->unit != NULL)
		print_size(out, (uint64_t)n, chart->unit);
	else if (chart->is_rate)
		buffer_printf(out, n > 0 && n < few ? "%.1f/s" : "%.0f/s", n);
	else
		buffer_printf(out, "%.0f", n);
}

/* The area below the values; the newest stands at the right edge. */
static void
print_area(struct buffer *out, const struct chart *chart, const struct history_sample *samples,
    unsigned count, double most)
{
	const double step = (double)CHART_WIDTH / (HISTORY_SAMPLES - 1);
	const double first = CHART_WIDTH - step * (count - 1);

	buffer_printf(out, "<path d=\"M%.1f %d", first, CHART_HEIGHT);
	for (unsigned i = 0; i < count; i++)
		buffer_printf(out, "L%.1f %.1f", first + step * i,
		    CHART_HEIGHT - value_of(chart, &samples[i]) / most * (CHART_HEIGHT - 2));
	buffer_printf(out, "L%d %dZ\"/>", CHART_WIDTH, CHART_HEIGHT);
}

static void
print_chart(struct buffer *out, const struct chart *chart, const struct history_sample *samples,
    unsigned count)
{
	double most = 0, last = count > 0 ? value_of(chart, &samples[count - 1]) : 0;

	for (unsigned i = 0; i < count; i++)
		if (value_of(chart, &samples[i]) > most)
			most = value_of(chart, &samples[i]);
	buffer_printf(out, "<figure><figcaption>%s<b>", chart->title);
	print_value(out, chart, last);
	buffer_printf(out,
	    "</b></figcaption><svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=img>"
	    "<title>%s in the last ten minutes, at most ",
	    CHART_WIDTH, CHART_HEIGHT, chart->title);
	print_value(out, chart, most);
	buffer_puts(out, "</title>");
	if (count > 1)
		print_area(out, chart, samples, count, most > 0 ? most : 1);
	buffer_puts(out, "</svg><small>at most ");
	print_value(out, chart, most);
	buffer_puts(out, "</small></figure>\n");
}

static void
print_charts(const struct node_report *self, struct buffer *out)
{
	struct history_sample samples[HISTORY_SAMPLES];
	unsigned count = history_samples(self->history, samples);

	buffer_puts(out, "<section><h2>The last ten minutes</h2><div class=g>\n");
	for (size_t i = 0; i < sizeof charts / sizeof *charts; i++)
		print_chart(out, &charts[i], samples, count);
	buffer_puts(out, "</div></section>\n");
}

/* ---- the sections ---- */

static void
print_head(const struct node_report *self, struct buffer *out)
{
	const char *unhealthy = node_report_unhealthy(self);

	buffer_puts(out, "<!DOCTYPE html>\n<html lang=en><meta charset=utf-8>\n"
	                 "<meta name=viewport content=\"width=device-width\">\n"
	                 "<meta name=color-scheme content=\"light dark\">\n"
	                 "<meta http-equiv=refresh content=10>\n"
	                 "<title>mirrorgate</title>\n<style>" STATUS_STYLE "</style>\n");
	buffer_printf(out,
	    "<header><h1>mirrorgate " MIRRORGATE_VERSION " <span class=%s>%s</span></h1>\n"
	    "<p>Generation %llu, policy serial %llu, %llu customers; up ",
	    unhealthy == NULL ? "ok" : "bad", unhealthy == NULL ? "ok" : unhealthy,
	    (unsigned long long)self->generation,
	    (unsigned long long)node_cell_value(self->metrics, NODE_POLICY_SERIAL),
	    (unsigned long long)node_cell_value(self->metrics, NODE_CUSTOMERS));
	uint64_t started = history_started(self->history), now = (uint64_t)self->now;
	print_duration(out, now > started ? now - started : 0);
	buffer_puts(out, ". As of ");
	print_time(out, now);
	buffer_puts(out, " UTC.</p></header>\n<main>\n");
}

static void
print_stores(const struct node_report *self, struct buffer *out)
{
	static const char *const columns[] = {
	    "Server", "Health", "#Workers that pass it over", "#Ejections", "#Failures", NULL};
	unsigned workers = metrics_workers(self->metrics);

	open_table(out, "Stores", columns);
	for (size_t i = 0; i < self->config->store_count; i++) {
		const struct config_store *store = &self->config->stores[i];
		unsigned over = metrics_store_passed_over(self->metrics, store->slot);
		buffer_puts(out, "<tr>");
		print_text_cell(out, store->name);
		buffer_puts(out, over < workers ? "<td><span class=ok>up</span>"
		                                : "<td><span class=bad>down</span>");
		print_number_cell(out, over);
		print_number_cell(out, metrics_store_ejections(self->metrics, store->slot));
		print_number_cell(out,
		    metrics_cell_total(self->metrics, METRICS_FAMILY_STORE_FAILURES, store->slot));
		buffer_puts(out, "\n");
	}
	close_table(out);
}

static void
print_end(const struct node_report *self, const char *what, uint64_t end, struct buffer *out)
{
	uint64_t now = (uint64_t)self->now;

	if (end == 0)
		return;
	buffer_printf(out, "<tr><td>%s<td>", what);
	print_time(out, end);
	buffer_printf(out, "<td class=n><span class=%s>", now + SOON < end ? "ok" : "bad");
	if (now < end)
		print_duration(out, end - now);
	else
		buffer_puts(out, "ended");
	buffer_puts(out, "</span>\n");
}

static void
print_ends(const struct node_report *self, struct buffer *out)
{
	static const char *const columns[] = {"", "Ends (UTC)", "#Left", NULL};
	const struct metrics *metrics = self->metrics;

	open_table(out, "Certificates and lists", columns);
	print_end(self, "Server certificate", node_cell_value(metrics, NODE_CERTIFICATE_ENDS), out);
	print_end(self, "Client CA", node_cell_value(metrics, NODE_CLIENT_CA_ENDS), out);
	print_end(self, "Revocation list", node_cell_value(metrics, NODE_CRL_ENDS), out);
	if (metrics_total(metrics, METRIC_CATALOGUES) > 0)
		print_end(self, "Catalogues", metrics_total(metrics, METRIC_CATALOGUES_UNTIL), out);
	close_table(out);
}

static void
print_generations(const struct node_report *self, struct buffer *out)
{
	static const char *const columns[] = {
	    "#Generation", "Live since (UTC)", "#Connections kept", "#cut", NULL};
	struct history_generation generations[HISTORY_GENERATIONS];
	unsigned count = history_generations(self->history, generations);

	open_table(out, "Generations", columns);
	for (unsigned i = 0; i < count; i++) {
		buffer_puts(out, "<tr>");
		print_number_cell(out, generations[i].number);
		buffer_puts(out, "<td>");
		print_time(out, generations[i].time);
		print_number_cell(out, generations[i].kept);
		print_number_cell(out, generations[i].cut);
		buffer_puts(out, "\n");
	}
	close_table(out);
}

static void
print_customers(const struct node_report *self, struct buffer *out)
{
	static const char *const columns[] = {"Customer", "#Connections", "#Sends", "#Receives",
	    "#Sent", "#Received", "#Requests", "#Refused", NULL};
	const struct customer_rows *customers = metrics_customers(self->metrics);
	unsigned rows[NODE_REPORT_BUSIEST];
	unsigned count = node_report_rank(self, rows, NODE_REPORT_BUSIEST);

	open_wide_table(out, "Busiest customers", columns);
	for (unsigned i = 0; i < count; i++) {
		const char *name = customer_rows_name(customers, rows[i]);
		buffer_puts(out, "<tr>");
		print_text_cell(out, name);
		print_number_cell(
		    out, quota_connection_count(self->quota, quota_text_key(self->quota, name)));
		print_size_cell(out,
		    history_customer_rate(self->history, rows[i], CUSTOMER_BYTES_RECEIVED), "B/s");
		print_size_cell(
		    out, history_customer_rate(self->history, rows[i], CUSTOMER_BYTES_SENT), "B/s");
		print_size_cell(out,
		    metrics_customer_total(self->metrics, rows[i], CUSTOMER_BYTES_RECEIVED), "B");
		print_size_cell(
		    out, metrics_customer_total(self->metrics, rows[i], CUSTOMER_BYTES_SENT), "B");
		print_number_cell(
		    out, metrics_customer_total(self->metrics, rows[i], CUSTOMER_REQUESTS));
		print_number_cell(
		    out, metrics_customer_total(self->metrics, rows[i], CUSTOMER_REFUSALS));
		buffer_puts(out, "\n");
	}
	close_table(out);
}

static void
print_refusals(const struct node_report *self, struct buffer *out)
{
	static const char *const columns[] = {
	    "Time (UTC)", "Operation", "#Status", "Reason", "Customer", "Client", NULL};
	struct last_refusal newest[LAST_REFUSALS];
	unsigned count = last_refusals_read(metrics_refusals(self->metrics), newest);

	open_wide_table(out, "Last refusals", columns);
	for (unsigned i = 0; i < count; i++) {
		buffer_puts(out, "<tr><td>");
		print_time(out, newest[i].time);
		print_text_cell(out, newest[i].operation);
		print_number_cell(out, newest[i].status);
		print_text_cell(out, newest[i].reason);
		print_text_cell(out, newest[i].customer);
		print_text_cell(out, newest[i].client);
		buffer_puts(out, "\n");
	}
	close_table(out);
}

static void
print_counters(const struct node_report *self, struct buffer *out)
{
	buffer_puts(out, "<details><summary>All counters</summary><div class=t><table>\n");
#define STATUS_ROW(id, type, series, help)              \
	buffer_puts(out, "<tr><td>" help "<td><code>"); \
	print_text(out, series);                        \
	buffer_printf(out, "</code><td class=n>%llu\n", \
	    (unsigned long long)metrics_total(self->metrics, METRIC_##id));
	METRICS_TABLE(STATUS_ROW)
#undef STATUS_ROW
	buffer_puts(out, "</table></div></details>\n");
}

void
status_page_print(const struct node_report *self, struct buffer *out)
{
	print_head(self, out);
	print_charts(self, out);
	print_stores(self, out);
	print_ends(self, out);
	print_generations(self, out);
	print_customers(self, out);
	print_refusals(self, out);
	print_counters(self, out);
	buffer_puts(out, "</main></html>\n");
}
