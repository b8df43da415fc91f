/* The page. The one hard part is that its reader's browser obeys what stands in it: each text is
 * escaped, and the page's own policy allows nothing but its style. */
#include "fleet_page.h"

#include "cell.h"

/* clang-format off */
#define STYLE \
	":root{--b:#fff;--f:#1c2430;--m:#5b6675;--l:#d9dde3;--o:#8a5a00;--r:#b3261e}\n" \
	"@media(prefers-color-scheme:dark){:root{--b:#12161c;--f:#e6e9ee;--m:#9aa5b4;--l:#323b48;--o:#e0b050;--r:#ff8a80}}\n" \
	"body{margin:0 auto;max-width:80rem;padding:1rem;background:var(--b);color:var(--f);font:15px/1.45 system-ui,sans-serif}\n" \
	"h1{font-size:1.5rem;margin:0}p{margin:.25rem 0 1rem;color:var(--m)}div{overflow-x:auto}\n" \
	"table{border-collapse:collapse;width:100%}\n" \
	"th,td{text-align:left;padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--l)}\n" \
	"thead th{color:var(--m)}td{overflow-wrap:anywhere}\n" \
	".older{color:var(--o)}.bad{color:var(--r);font-weight:600}"
/* clang-format on */

static size_t
count_customers(const struct fleet *fleet)
{
	size_t count = 0;

	for (size_t i = 0; i < fleet->system_count; i++)
		count += i == 0 ||
		         strcmp(fleet->systems[i - 1].customer, fleet->systems[i].customer) != 0;
	return count;
}

static void
begin(const struct fleet *fleet, struct buffer *out)
{
	buffer_puts(out,
	    "<!DOCTYPE html>\n<html lang=en><meta charset=utf-8>\n"
	    "<meta http-equiv=Content-Security-Policy "
	    "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
	    "<meta name=viewport content=\"width=device-width\">\n"
	    "<meta name=color-scheme content=\"light dark\">\n"
	    "<title>Who runs what</title>\n<style>" STYLE "</style>\n<h1>Who runs what</h1>\n");
	buffer_printf(out,
	    "<p>Customers: %zu. Systems: %zu. Files and folders passed over: %zu.</p>\n",
	    count_customers(fleet), fleet->system_count, fleet->passed_over);
	buffer_puts(out, "<div><table>\n<thead><tr>"
	                 "<th scope=col>Customer<th scope=col>System<th scope=col>Last seen"
	                 "<th scope=col>Component<th scope=col>Version<th scope=col>Newest"
	                 "<th scope=col>State</thead>\n<tbody>\n");
}

/* A cell; CLASS may be NULL. */
static void
print_cell(struct buffer *out, const char *class, const char *text)
{
	if (class != NULL)
		buffer_printf(out, "<td class=%s>", class);
	else
		buffer_puts(out, "<td>");
	cell_html(out, text);
}

static void
print_head(const struct fleet_system *system, struct buffer *out)
{
	char seen[FLEET_TIME_SIZE];

	fleet_print_time(system, seen);
	buffer_puts(out, "<tr>");
	print_cell(out, NULL, system->customer);
	print_cell(out, NULL, system->name);
	print_cell(out, NULL, seen);
}

static void
print_system(const struct fleet *fleet, size_t i, struct buffer *out)
{
	const struct fleet_system *system = &fleet->systems[i];

	if (system->count == 0) {
		print_head(system, out);
		buffer_puts(out, "<td colspan=4>no components\n");
	}
	for (size_t j = 0; j < system->count; j++) {
		const struct fleet_version *version = &fleet->versions[system->runs[j]];
		const struct fleet_component *component = &fleet->components[version->component];
		const char *class = version->bad ? "bad" : version->order < 0 ? "older" : NULL;
		print_head(system, out);
		print_cell(out, NULL, component->name);
		print_cell(out, class, version->text);
		print_cell(out, NULL, component->newest);
		print_cell(out, class, fleet_state(version));
		buffer_puts(out, version->bad ? ", known to be bad\n" : "\n");
	}
}

static void
end(const struct fleet *fleet, const struct failure *failure, struct buffer *out)
{
	(void)fleet;
	if (failure != NULL) {
		buffer_puts(out, "</tbody></table></div>\n<p class=bad>");
		cell_html(out, failure->text);
		buffer_puts(out, "</p>\n</html>\n");
		return;
	}
	buffer_puts(out, "</tbody></table></div>\n</html>\n");
}

const struct fleet_form fleet_page_form = {"html", begin, print_system, end, false};
