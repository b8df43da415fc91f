/*
 * Printing of differences as they are found: there may be millions.
 */
#include "policy_diff_print.h"

#include <inttypes.h>
#include <string.h>

#include "base/json_writer.h"
#include "base/value.h"

struct printer {
	FILE *out;
	struct buffer line;
	struct policy_diff_counts counts;
	bool any;
};

/* What the members of a change are called; ITEM is NULL when there is none. */
struct wording {
	const char *what, *name, *item;
};

static const struct wording wordings[] = {
    [POLICY_DIFF_CUSTOMER] = {"customer", "customer", NULL},
    [POLICY_DIFF_PRODUCT] = {"product", "product", NULL},
    [POLICY_DIFF_PATH] = {"path", "product", "path"},
    [POLICY_DIFF_EXCEPT] = {"except", "product", "path"},
    [POLICY_DIFF_CATALOGUE] = {"catalogue", "product", NULL},
    [POLICY_DIFF_SUBJECT] = {"subject", "subject", NULL},
    [POLICY_DIFF_LIMIT] = {"limit", "customer", "limit"},
    [POLICY_DIFF_LICENCE] = {"licence", "customer", "product"},
    [POLICY_DIFF_ACCESS] = {"access", "customer", "path"},
};

/* Writes the line that was made and empties it. */
static void
put_line(struct printer *self)
{
	fwrite(buffer_bytes(&self->line), 1, buffer_size(&self->line), self->out);
	buffer_fini(&self->line);
}

/* ---- text ---- */

static void
print_side(struct buffer *line, const char *before, const struct policy_diff_side *side)
{
	if (side == NULL || (side->text == NULL && side->periods.count == 0))
		return;
	buffer_printf(line, "%s%s", before, side->text != NULL ? side->text : "");
	policy_periods_print(side->periods, line);
}

static void
on_change_text(const struct policy_diff_change *change, void *arg)
{
	struct printer *self = arg;
	char sign = change->old == NULL ? '+' : change->new == NULL ? '-' : '~';
	policy_diff_count(&self->counts, change);
	buffer_printf(&self->line, "%-10s %c %s", wordings[change->kind].what, sign, change->name);
	if (change->item != NULL)
		buffer_printf(&self->line, " %s", change->item);
	for (const char *const *except = change->except; except != NULL && *except != NULL;
	     except++)
		buffer_printf(
		    &self->line, "%s%s", except == change->except ? " except " : ", ", *except);
	print_side(&self->line, ": ", change->old);
	print_side(&self->line, change->old != NULL ? " -> " : ": ", change->new);
	buffer_append(&self->line, "\n", 1);
	put_line(self);
}

void
policy_diff_print_text(struct policy_diff_input old, struct policy_diff_input new, FILE *out)
{
	struct printer self = {.out = out};
	char summary[POLICY_DIFF_SUMMARY_MAX];
	policy_diff(old.listing, new.listing, on_change_text, &self);
	policy_diff_print_counts(&self.counts, summary);
	fprintf(out, "%-10s %" PRIu64 " -> %" PRIu64 "\n%-10s %s\n", "serial", old.listing->serial,
	    new.listing->serial, "summary", summary);
}

/* ---- JSON ---- */

static void
add_day(struct buffer *line, const char *key, bool open, uint32_t day)
{
	char text[VALUE_DATE_SIZE];
	if (!open)
		value_print_day(day, text);
	json_writer_member(line, key, open ? NULL : text);
}

static void
add_periods(struct buffer *line, struct policy_periods periods)
{
	buffer_append(line, "[", 1);
	for (size_t i = 0; i < periods.count; i++) {
		struct policy_period period = periods.list[i];
		buffer_printf(line, i > 0 ? ",{" : "{");
		add_day(line, "from", period.from == 0, period.from);
		add_day(line, "until", period.ends == POLICY_PERIOD_NEVER, period.ends - 1);
		buffer_append(line, "}", 1);
	}
	buffer_append(line, "]", 1);
}

/* Nothing is known of the side of a customer, product or path but that it is there. */
static void
add_side(struct buffer *line, const char *key, const struct policy_diff_change *change,
    const struct policy_diff_side *side)
{
	if (change->kind < POLICY_DIFF_SUBJECT)
		return;
	if (side == NULL || side->text != NULL) {
		json_writer_member(line, key, side == NULL ? NULL : side->text);
		return;
	}
	json_writer_key(line, key);
	add_periods(line, side->periods);
}

static void
on_change_json(const struct policy_diff_change *change, void *arg)
{
	struct printer *self = arg;
	const struct wording *wording = &wordings[change->kind];
	const char *sign = change->old == NULL   ? "gained"
	                   : change->new == NULL ? "lost"
	                                         : "changed";
	struct buffer *line = &self->line;
	policy_diff_count(&self->counts, change);
	buffer_printf(line, self->any ? ",\n{" : "\n{");
	self->any = true;
	json_writer_member(line, "what", wording->what);
	json_writer_member(line, "change", sign);
	json_writer_member(line, wording->name, change->name);
	if (change->item != NULL)
		json_writer_member(line, wording->item, change->item);
	if (change->except != NULL) {
		json_writer_key(line, "except");
		buffer_append(line, "[", 1);
		for (size_t i = 0; change->except[i] != NULL; i++) {
			buffer_printf(line, i > 0 ? "," : "");
			json_writer_string(line, change->except[i]);
		}
		buffer_append(line, "]", 1);
	}
	add_side(line, "old", change, change->old);
	add_side(line, "new", change, change->new);
	buffer_append(line, "}", 1);
	put_line(self);
}

static void
add_input(struct buffer *line, const char *key, struct policy_diff_input input)
{
	json_writer_key(line, key);
	buffer_append(line, "{", 1);
	json_writer_member(line, "policy", input.name);
	json_writer_number(line, "serial", input.listing->serial);
	buffer_append(line, "}", 1);
}

static void
add_counts(struct buffer *line, const struct policy_diff_counts *counts)
{
	json_writer_key(line, "counts");
	buffer_append(line, "{", 1);
	for (size_t i = 0; i < POLICY_DIFF_KINDS; i++) {
		json_writer_key(line, wordings[i].what);
		buffer_append(line, "{", 1);
		json_writer_number(line, "gained", counts->gained[i]);
		json_writer_number(line, "lost", counts->lost[i]);
		json_writer_number(line, "changed", counts->changed[i]);
		buffer_append(line, "}", 1);
	}
	buffer_append(line, "}", 1);
}

void
policy_diff_print_json(struct policy_diff_input old, struct policy_diff_input new, FILE *out)
{
	struct printer self = {.out = out};
	buffer_append(&self.line, "{", 1);
	add_input(&self.line, "old", old);
	add_input(&self.line, "new", new);
	json_writer_key(&self.line, "changes");
	buffer_append(&self.line, "[", 1);
	put_line(&self);
	policy_diff(old.listing, new.listing, on_change_json, &self);
	buffer_append(&self.line, "]", 1);
	add_counts(&self.line, &self.counts);
	buffer_append(&self.line, "}\n", 2);
	put_line(&self);
}
