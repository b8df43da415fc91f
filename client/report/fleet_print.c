/* Printing a fleet. The one hard part is its size: no form has more than one system in memory. */
#include "fleet_print.h"

#include <string.h>

#include "base/json_writer.h"
#include "cell.h"
#include "client/common/report.h"

enum { LINE_CELLS = 8 };

void
fleet_print_time(const struct fleet_system *system, char text[FLEET_TIME_SIZE])
{
	struct tm utc;

	if (gmtime_r(&system->seen, &utc) == NULL ||
	    strftime(text, FLEET_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
		snprintf(text, FLEET_TIME_SIZE, "unknown");
}

/* ---- lines of cells: the table and CSV ---------------------------------------------------- */

/* Calls PRINT with the cells of each line of SYSTEM; those that name no component are NONE. */
static void
print_lines(const struct fleet *fleet, const struct fleet_system *system, const char *none,
    void (*print)(const char *const cells[LINE_CELLS], struct buffer *out), struct buffer *out)
{
	char seen[FLEET_TIME_SIZE];

	fleet_print_time(system, seen);
	const char *const empty[LINE_CELLS] = {
	    system->customer, system->name, none, none, none, none, none, seen};
	if (system->count == 0)
		print(empty, out);
	for (size_t i = 0; i < system->count; i++) {
		const struct fleet_version *version = &fleet->versions[system->runs[i]];
		const struct fleet_component *component = &fleet->components[version->component];
		const char *const cells[LINE_CELLS] = {system->customer, system->name,
		    component->name, version->text, component->newest, fleet_state(version),
		    version->bad ? "yes" : "no", seen};
		print(cells, out);
	}
}

static void
print_table_line(const char *const cells[LINE_CELLS], struct buffer *out)
{
	buffer_printf(out, "%-16s %-16s %-24s %-12s %-12s %-6s %-3s %s\n", cells[0], cells[1],
	    cells[2], cells[3], cells[4], cells[5], cells[6], cells[7]);
}

static void
begin_table(const struct fleet *fleet, struct buffer *out)
{
	static const char *const titles[LINE_CELLS] = {
	    "CUSTOMER", "SYSTEM", "COMPONENT", "VERSION", "NEWEST", "STATE", "BAD", "LAST SEEN"};

	(void)fleet;
	print_table_line(titles, out);
}

static void
print_table(const struct fleet *fleet, size_t i, struct buffer *out)
{
	print_lines(fleet, &fleet->systems[i], "-", print_table_line, out);
}

static void
print_csv_line(const char *const cells[LINE_CELLS], struct buffer *out)
{
	for (size_t i = 0; i < LINE_CELLS; i++) {
		buffer_append(out, ",", i > 0);
		cell_csv(out, cells[i]);
	}
	buffer_append(out, "\r\n", 2);
}

static void
begin_csv(const struct fleet *fleet, struct buffer *out)
{
	static const char *const titles[LINE_CELLS] = {
	    "customer", "system", "component", "version", "newest", "state", "bad", "last_seen"};

	(void)fleet;
	print_csv_line(titles, out);
}

static void
print_csv(const struct fleet *fleet, size_t i, struct buffer *out)
{
	print_lines(fleet, &fleet->systems[i], "", print_csv_line, out);
}

static void
end_lines(const struct fleet *fleet, const struct failure *failure, struct buffer *out)
{
	(void)fleet;
	(void)failure;
	(void)out;
}

/* ---- JSON --------------------------------------------------------------------------------- */

static void
begin_json(const struct fleet *fleet, struct buffer *out)
{
	(void)fleet;
	buffer_puts(out, "{\"systems\":[");
}

static void
print_json(const struct fleet *fleet, size_t i, struct buffer *out)
{
	const struct fleet_system *system = &fleet->systems[i];
	char seen[FLEET_TIME_SIZE];

	fleet_print_time(system, seen);
	buffer_puts(out, i > 0 ? ",{" : "{");
	json_writer_member(out, "customer", system->customer);
	json_writer_member(out, "system", system->name);
	json_writer_member(out, "last_seen", seen);
	json_writer_key(out, "components");
	buffer_puts(out, "[");
	for (size_t j = 0; j < system->count; j++) {
		const struct fleet_version *version = &fleet->versions[system->runs[j]];
		const struct fleet_component *component = &fleet->components[version->component];
		buffer_puts(out, j > 0 ? ",{" : "{");
		json_writer_member(out, "component", component->name);
		json_writer_member(out, "version", version->text);
		json_writer_member(out, "newest", component->newest);
		json_writer_member(out, "state", fleet_state(version));
		json_writer_key(out, "bad");
		buffer_puts(out, version->bad ? "true}" : "false}");
	}
	buffer_puts(out, "]}");
}

static void
end_json(const struct fleet *fleet, const struct failure *failure, struct buffer *out)
{
	buffer_puts(out, "]");
	json_writer_number(out, "passed_over", fleet->passed_over);
	if (failure != NULL)
		report_failure_members(failure, out);
	buffer_puts(out, "}\n");
}

/* ---- all forms ---------------------------------------------------------------------------- */

static const struct fleet_form forms[] = {
    {"table", begin_table, print_table, end_lines, false},
    {"csv", begin_csv, print_csv, end_lines, false},
    {"json", begin_json, print_json, end_json, true},
};

const struct fleet_form *
fleet_print_form(const char *name)
{
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		if (strcmp(forms[i].name, name) == 0)
			return &forms[i];
	}
	return NULL;
}

/* Empties PIECE. */
static bool
write_piece(struct buffer *piece, FILE *out)
{
	size_t size = buffer_size(piece);
	bool done = size == 0 || fwrite(buffer_bytes(piece), 1, size, out) == size;

	buffer_fini(piece);
	return done;
}

bool
fleet_print(const struct fleet *fleet, const struct fleet_form *form, const struct failure *failure,
    FILE *out)
{
	struct buffer piece = {0};

	form->begin(fleet, &piece);
	bool done = write_piece(&piece, out);
	for (size_t i = 0; done && i < fleet->system_count; i++) {
		form->system(fleet, i, &piece);
		done = write_piece(&piece, out);
	}
	form->end(fleet, failure, &piece);
	return write_piece(&piece, out) && done && fflush(out) == 0;
}
