/* Pages for a terminal. The one hard part: a name in them may come from a worker, and a terminal
 * obeys control characters. */
#include "admin_page.h"

#include <langinfo.h>
#include <locale.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

enum {
	CHART_WIDTH = 40,  /* columns */
	NUMBER_WIDTH = 12, /* of "123.4 MB/s" */
	MINUTE = 60,
	HOUR = 60 * MINUTE,
	DAY = 24 * HOUR,
};

static long long
number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* A text that no terminal obeys; at most as long as TEXT has room. */
static const char *
text_of(const json_t *object, const char *key, char text[128])
{
	const char *from = json_string_value(json_object_get(object, key));
	size_t n = 0;

	for (; from != NULL && from[n] != '\0' && n < 127; n++)
		text[n] = from[n] >= ' ' && from[n] < 0x7f ? from[n] : '?';
	text[n] = '\0';
	return text;
}

/* "1.5 MB" */
static const char *
size_text(long long bytes, const char *unit, char text[32])
{
	static const char *const prefixes[] = {"", "k", "M", "G", "T", "P"};
	double value = (double)bytes;
	size_t i = 0;

	for (; value >= 1000 && i + 1 < sizeof prefixes / sizeof *prefixes; i++)
		value /= 1000;
	(void)snprintf(text, 32, i == 0 ? "%.0f %s%s" : "%.1f %s%s", value, prefixes[i], unit);
	return text;
}

/* "3 d 4 h" */
static const char *
duration_text(long long seconds, char text[64])
{
	if (seconds < 0)
		seconds = 0;
	if (seconds >= DAY)
		(void)snprintf(text, 64, "%lld d %lld h", seconds / DAY, seconds % DAY / HOUR);
	else if (seconds >= HOUR)
		(void)snprintf(
		    text, 64, "%lld h %lld min", seconds / HOUR, seconds % HOUR / MINUTE);
	else
		(void)snprintf(text, 64, "%lld min %lld s", seconds / MINUTE, seconds % MINUTE);
	return text;
}

static const char *
time_text(long long seconds, char text[32])
{
	time_t when = (time_t)seconds;
	struct tm parts;

	if (gmtime_r(&when, &parts) == NULL ||
	    strftime(text, 32, "%Y-%m-%d %H:%M:%SZ", &parts) == 0)
		return "?";
	return text;
}

/* ---- charts ---- */

static const char *const *
bars(void)
{
	static const char *const plain[] = {" ", ".", ":", "-", "=", "+", "*", "#", "@"};
	static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

	(void)setlocale(LC_CTYPE, "");
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? blocks : plain;
}

/* The most of KEY in the samples that stand in COLUMN, the oldest in the first. */
static long long
peak_at(const json_t *samples, const char *key, size_t column)
{
	size_t count = json_array_size(samples), each = (count + CHART_WIDTH - 1) / CHART_WIDTH;
	long long peak = 0;

	for (size_t i = column * each; i < (column + 1) * each && i < count; i++) {
		long long n = number_of(json_array_get(samples, i), key);
		if (n > peak)
			peak = n;
	}
	return peak;
}

static void
print_chart(const json_t *samples, const char *key, FILE *out)
{
	enum { STEPS = 8 };
	const char *const *bar = bars();
	long long most = 0;

	for (size_t column = 0; column < CHART_WIDTH; column++) {
		long long n = peak_at(samples, key, column);
		if (n > most)
			most = n;
	}
	for (size_t column = 0; column < CHART_WIDTH; column++) {
		long long n = peak_at(samples, key, column);
		fputs(bar[n > 0 ? 1 + (n - 1) * STEPS / most : 0], out);
	}
}

static void
print_charts(const json_t *answer, FILE *out)
{
	static const struct {
		const char *label, *key;
		const char *unit; /* of bytes; NULL: of a count */
		const char *suffix;
	} rows[] = {
	    {"Sent", "sent_bytes_per_second", "B/s", ""},
	    {"Received", "received_bytes_per_second", "B/s", ""},
	    {"Connections", "connections", NULL, ""},
	    {"Requests", "requests_per_second", NULL, "/s"},
	    {"Refused", "refused_per_second", NULL, "/s"},
	    {"Handshakes", "handshakes_per_second", NULL, "/s"},
	    {"Refused ones", "handshakes_refused_per_second", NULL, "/s"},
	};
	const json_t *now = json_object_get(answer, "now");
	const json_t *samples = json_object_get(answer, "samples");

	fprintf(out, "\n%-14s %*s  %s\n", "", NUMBER_WIDTH, "now", "the last ten minutes");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[32];
		long long n = number_of(now, rows[i].key);
		if (rows[i].unit != NULL)
			(void)size_text(n, rows[i].unit, text);
		else
			(void)snprintf(text, sizeof text, "%lld%s", n, rows[i].suffix);
		fprintf(out, "%-14s %*s  ", rows[i].label, NUMBER_WIDTH, text);
		print_chart(samples, rows[i].key, out);
		fputs("\n", out);
	}
}

/* ---- tables ---- */

static void
print_end(const char *label, long long ends, FILE *out)
{
	char text[64];
	long long left = ends - (long long)time(NULL);

	if (ends == 0)
		fprintf(out, "%s: none", label);
	else if (left < 0)
		fprintf(out, "%s: ENDED", label);
	else
		fprintf(out, "%s: %s", label, duration_text(left, text));
}

static void
print_head(const json_t *answer, FILE *out)
{
	char text[128], duration[64];

	fprintf(out, "mirrorgate %s", text_of(answer, "version", text));
	fprintf(out, ", %s", text_of(answer, "state", text));
	fprintf(out, ", health %s", text_of(answer, "health", text));
	fprintf(out, ", up %s\n",
	    duration_text((long long)time(NULL) - number_of(answer, "started"), duration));
	fprintf(out, "generation %lld, policy serial %lld, %lld customers\n",
	    number_of(answer, "generation"), number_of(answer, "policy_serial"),
	    number_of(answer, "customers"));
	print_end("left of certificate", number_of(answer, "certificate_ends"), out);
	print_end(", client CA", number_of(answer, "client_ca_ends"), out);
	print_end(", revocation list", number_of(answer, "crl_ends"), out);
	fputs("\n", out);
}

static void
print_stores(const json_t *answer, FILE *out)
{
	const json_t *stores = json_object_get(answer, "stores"), *store;
	char text[128];
	size_t i;

	fprintf(out, "\n%-40s %6s %10s %10s\n", "Store", "", "ejections", "failures");
	json_array_foreach(stores, i, store)
	{
		fprintf(out, "%-40s %6s %10lld %10lld\n", text_of(store, "server", text),
		    json_is_true(json_object_get(store, "up")) ? "up" : "DOWN",
		    number_of(store, "ejections"), number_of(store, "failures"));
	}
}

static void
print_generations(const json_t *answer, FILE *out)
{
	enum { SHOWN = 5 };
	const json_t *generations = json_object_get(answer, "generations"), *generation;
	char text[32];
	size_t i;

	fprintf(out, "\n%-10s %-22s %10s %10s\n", "Generation", "live since", "kept", "cut");
	json_array_foreach(generations, i, generation)
	{
		if (i < SHOWN)
			fprintf(out, "%-10lld %-22s %10lld %10lld\n",
			    number_of(generation, "generation"),
			    time_text(number_of(generation, "time"), text),
			    number_of(generation, "kept"), number_of(generation, "cut"));
	}
}

static void
print_processes(const json_t *answer, FILE *out)
{
	const json_t *processes = json_object_get(answer, "processes"), *process;
	char text[128], size[32], duration[64];
	size_t i;

	fprintf(out, "\n%-10s %16s %12s\n", "Process", "processor time", "memory");
	json_array_foreach(processes, i, process)
	{
		fprintf(out, "%-10s %16s %12s\n", text_of(process, "role", text),
		    duration_text(number_of(process, "cpu_milliseconds") / 1000, duration),
		    size_text(number_of(process, "resident_bytes"), "B", size));
	}
}

void
admin_page_print_customers(const json_t *answer, FILE *out)
{
	const json_t *customers = json_object_get(answer, "busiest"), *customer;
	char name[128], sent_rate[32], received_rate[32], sent[32], received[32];
	size_t i;

	fprintf(out, "%-24s %6s %12s %12s %10s %10s %9s %8s\n", "Customer", "conns", "sent/s",
	    "received/s", "sent", "received", "requests", "refused");
	json_array_foreach(customers, i, customer)
	{
		fprintf(out, "%-24s %6lld %12s %12s %10s %10s %9lld %8lld\n",
		    text_of(customer, "customer", name), number_of(customer, "connections"),
		    size_text(number_of(customer, "sent_bytes_per_second"), "B/s", sent_rate),
		    size_text(
		        number_of(customer, "received_bytes_per_second"), "B/s", received_rate),
		    size_text(number_of(customer, "sent_bytes"), "B", sent),
		    size_text(number_of(customer, "received_bytes"), "B", received),
		    number_of(customer, "requests"), number_of(customer, "refusals"));
	}
}

static void
print_refusals(const json_t *answer, FILE *out)
{
	enum { SHOWN = 8 };
	const json_t *refusals = json_object_get(answer, "refusals"), *refusal;
	char when[32], reason[128], customer[128], client[128], operation[128];
	size_t i;

	fprintf(out, "\n%-22s %-10s %6s %-24s %-16s %s\n", "Refused", "", "status", "reason",
	    "customer", "client");
	json_array_foreach(refusals, i, refusal)
	{
		if (i < SHOWN)
			fprintf(out, "%-22s %-10s %6lld %-24s %-16s %s\n",
			    time_text(number_of(refusal, "time"), when),
			    text_of(refusal, "operation", operation), number_of(refusal, "status"),
			    text_of(refusal, "reason", reason),
			    text_of(refusal, "customer", customer),
			    text_of(refusal, "client", client));
	}
}

void
admin_page_print_status(const json_t *answer, FILE *out)
{
	print_head(answer, out);
	print_charts(answer, out);
	print_stores(answer, out);
	print_generations(answer, out);
	print_processes(answer, out);
	fputs("\n", out);
	admin_page_print_customers(answer, out);
	print_refusals(answer, out);
}
