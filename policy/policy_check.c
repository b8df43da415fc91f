/*
 * The checks of a policy file.
 *
 * Every check goes on after a mistake. A line is looked up only for a mistake, by the path of the
 * value in the file ("customers[3].subjects[0]"), which is why most functions here carry the
 * place of what they look at.
 */
#include "policy_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/string_map.h"
#include "base/value.h"
#include "policy_image.h"
#include "subject.h"

struct check {
	struct policy_file *file;
	const char *name;
	const struct yaml_source *source;
	struct problems *problems;
	struct string_map *products;  /* id -> number */
	struct string_map *customers; /* id -> number */
	struct string_map *subjects;  /* subject -> holder */
};

/* Where a value stands: LIST[INDEX].SUBLIST[SUBINDEX].KEY, of which each part may be missing. */
struct place {
	const char *list;
	size_t index;
	const char *sublist;
	size_t subindex;
	const char *key;
};

static size_t
line_of(const struct check *self, struct place place)
{
	char path[160] = "";
	size_t used = 0;
	if (place.list != NULL)
		used += (size_t)snprintf(path, sizeof path, "%s[%zu].", place.list, place.index);
	if (place.sublist != NULL)
		used += (size_t)snprintf(
		    path + used, sizeof path - used, "%s[%zu].", place.sublist, place.subindex);
	if (place.key != NULL)
		snprintf(path + used, sizeof path - used, "%s", place.key);
	else if (used > 0)
		path[used - 1] = '\0'; /* the last dot */
	return yaml_source_line(self->source, "%s", path);
}

static void problem(const struct check *self, struct place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void
problem(const struct check *self, struct place place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	problems_add_v(self->problems, self->name, line_of(self, place), format, args);
	va_end(args);
}

static struct place
key_of(struct place place, const char *key)
{
	place.key = key;
	return place;
}

static struct place
entry_of(struct place place, const char *sublist, size_t subindex)
{
	place.sublist = sublist;
	place.subindex = subindex;
	return place;
}

/* Returns false, with a problem added, when TEXT is missing. */
static bool
is_there(const struct check *self, struct place place, const char *text)
{
	if (text == NULL)
		problem(self, place, "missing key `%s`", place.key);
	return text != NULL;
}

static void
check_serial(const struct check *self)
{
	struct policy_file *file = self->file;
	struct place place = {.key = "serial"};
	if (is_there(self, place, file->serial) &&
	    !value_number(file->serial, INT64_MAX, &file->serial_value))
		problem(self, place, "`serial` must be a whole number, not \"%s\"", file->serial);
}

/* Checks the `id` of entry INDEX of LIST; KNOWN holds the ids before it. */
static void
check_id(const struct check *self, struct place entry, const char *id, struct string_map *known)
{
	struct place place = key_of(entry, "id");
	uint64_t first;
	if (!is_there(self, place, id))
		return;
	if (!value_is_id(id))
		problem(self, place, "id \"%s\" does not match [a-z0-9][a-z0-9-]{0,63}", id);
	if (!string_map_add(known, id, entry.index, &first)) {
		struct place before = {.list = entry.list, .index = first, .key = "id"};
		problem(
		    self, place, "id \"%s\" stands on line %zu already", id, line_of(self, before));
	}
}

static bool
check_path(const struct check *self, struct place place, const char *path)
{
	size_t len = strlen(path);
	const char *defect = path_defect(path, len);
	if (defect != NULL)
		problem(self, place, "path \"%s\" is not canonical: it %s", path, defect);
	else if (path_is_reserved(path, len))
		problem(self, place, "path \"%s\" belongs to the gateway itself", path);
	else if (len == 1)
		problem(self, place, "path \"/\" would cover the gateway's own routes");
	else
		return true;
	return false;
}

static bool
is_below_product(const struct policy_file_product *product, const char *path)
{
	for (size_t i = 0; i < product->path_count; i++) {
		const char *rule = product->paths[i];
		if (path_matches(rule, strlen(rule), path, strlen(path)))
			return true;
	}
	return false;
}

/* A control that cannot work is an error: a file by itself is in no catalogue. */
static void
check_catalogue(const struct check *self, struct place place, struct policy_file_product *product)
{
	if (product->catalogue == NULL)
		return;
	product->catalogue_required = strcmp(product->catalogue, "required") == 0;
	if (!product->catalogue_required)
		problem(self, key_of(place, "catalogue"),
		    "`catalogue` must be required, or be left out, not \"%s\"", product->catalogue);
	for (size_t i = 0; i < product->path_count && product->catalogue_required; i++) {
		const char *path = product->paths[i];
		if (path[0] == '/' && path[strlen(path) - 1] != '/')
			problem(self, entry_of(place, "paths", i),
			    "\"%s\" is one file, which no catalogue names: put it into a product "
			    "without `catalogue: required`",
			    path);
	}
}

static void
check_product(const struct check *self, size_t index)
{
	struct policy_file_product *product = &self->file->products[index];
	struct place place = {.list = "products", .index = index};
	check_id(self, place, product->id, self->products);
	if (product->path_count == 0)
		problem(self, key_of(place, "paths"), "the product has no `paths`");
	for (size_t i = 0; i < product->path_count; i++)
		check_path(self, entry_of(place, "paths", i), product->paths[i]);
	for (size_t i = 0; i < product->except_count; i++) {
		const char *path = product->except[i];
		struct place entry = entry_of(place, "except", i);
		if (check_path(self, entry, path) && !is_below_product(product, path))
			problem(
			    self, entry, "\"%s\" is outside the paths of its own product", path);
	}
	check_catalogue(self, place, product);
}

/* Who holds a subject: customer and number in its list, or one of two other lists. */
enum { HOLDER_PROBES = INT32_MAX - 1, HOLDER_OBSERVERS };

static uint64_t
holder(size_t owner, size_t index)
{
	return (uint64_t)owner << 32 | (uint32_t)index;
}

static struct place
place_of_holder(uint64_t value)
{
	size_t owner = value >> 32, index = (uint32_t)value;
	if (owner == HOLDER_PROBES)
		return (struct place){.list = "probes", .index = index};
	if (owner == HOLDER_OBSERVERS)
		return (struct place){.list = "observers", .index = index};
	return (struct place){
	    .list = "customers", .index = owner, .sublist = "subjects", .subindex = index};
}

static bool
is_name(const struct check *self, struct place place, const char *what, const char *text)
{
	struct subject parsed;
	const char *defect = subject_parse(text, strlen(text), &parsed);
	if (defect != NULL)
		problem(self, place, "%s \"%s\" is not canonical: %s", what, text, defect);
	return defect == NULL;
}

/* Checks an optional `issuer` of what stands at PLACE. */
static void
check_issuer(const struct check *self, struct place place, const char *issuer)
{
	if (issuer != NULL)
		is_name(self, key_of(place, "issuer"), "issuer", issuer);
}

static void
check_subjects(const struct check *self, char **subjects, size_t count, size_t owner)
{
	for (size_t i = 0; i < count; i++) {
		struct place place = place_of_holder(holder(owner, i));
		uint64_t first;
		if (is_name(self, place, "subject", subjects[i]) &&
		    !string_map_add(self->subjects, subjects[i], holder(owner, i), &first))
			problem(self, place, "subject \"%s\" is claimed on line %zu already",
			    subjects[i], line_of(self, place_of_holder(first)));
	}
}

/* Fills *DAY from an optional date. */
static void
check_date(const struct check *self, struct place place, const char *text, uint32_t *day)
{
	*day = POLICY_IMAGE_NO_DAY;
	if (text != NULL && !value_day(text, day))
		problem(self, place, "`%s` must be a date YYYY-MM-DD from 1970 on, not \"%s\"",
		    place.key, text);
}

static void
check_licence(
    const struct check *self, struct policy_file_licence *licence, size_t customer, size_t index)
{
	struct place place = {
	    .list = "customers", .index = customer, .sublist = "products", .subindex = index};
	uint64_t product = 0;
	if (is_there(self, key_of(place, "id"), licence->id) &&
	    !string_map_find(self->products, licence->id, &product))
		problem(self, key_of(place, "id"), "product \"%s\" is not defined", licence->id);
	licence->product = (uint32_t)product;

	check_date(self, key_of(place, "from"), licence->from, &licence->from_day);
	check_date(self, key_of(place, "until"), licence->until, &licence->end_day);
	if (licence->end_day == POLICY_IMAGE_NO_DAY)
		return;
	if (licence->from_day != POLICY_IMAGE_NO_DAY && licence->from_day > licence->end_day)
		problem(self, key_of(place, "until"), "`until` %s is before `from` %s",
		    licence->until, licence->from);
	licence->end_day++; /* the last day is included */
}

/* Fills *VALUE from an optional number or, if SIZE, size. */
static void
check_limit(
    const struct check *self, struct place place, const char *text, bool size, uint64_t *value)
{
	*value = 0;
	if (text == NULL)
		return;
	bool good = size ? value_size(text, value) : value_number(text, UINT32_MAX, value);
	if (!good)
		problem(self, place, "`%s` must be a whole number%s, not \"%s\"", place.key,
		    size ? ", with K, M or G if need be" : "", text);
	else if (*value == 0)
		problem(self, place, "`%s` must be at least 1; without the key there is no limit",
		    place.key);
}

/* The one limit that has a default, since what it does not stop stays on the store's disk; 0 is for
 * who wants none. */
static void
check_snapshots(const struct check *self, struct place place, struct policy_file_customer *customer)
{
	const char *text = customer->snapshots_per_day;
	customer->snapshots_value = POLICY_SNAPSHOTS_PER_DAY;
	if (text != NULL && !value_number(text, UINT32_MAX, &customer->snapshots_value))
		problem(self, place, "`%s` must be a whole number, not \"%s\"", place.key, text);
}

static void
check_customer(const struct check *self, size_t index)
{
	struct policy_file_customer *customer = &self->file->customers[index];
	struct place place = {.list = "customers", .index = index};
	check_id(self, place, customer->id, self->customers);
	check_subjects(self, customer->subjects, customer->subject_count, index);
	check_issuer(self, place, customer->issuer);
	for (size_t i = 0; i < customer->licence_count; i++)
		check_licence(self, &customer->licences[i], index, i);
	check_limit(self, key_of(place, "rate"), customer->rate, true, &customer->rate_value);
	check_limit(self, key_of(place, "connections"), customer->connections, false,
	    &customer->connections_value);
	check_limit(self, key_of(place, "requests_per_second"), customer->requests_per_second,
	    false, &customer->requests_value);
	check_snapshots(self, key_of(place, "snapshots_per_day"), customer);
}

/* An assert asks about one operation. */
static void
check_operation(
    const struct check *self, struct place place, const struct policy_file_assert *entry)
{
	if ((entry->download != NULL) == (entry->snapshot != NULL)) {
		problem(self, place, "an assert needs either `download` or `snapshot`");
		return;
	}
	if (entry->download == NULL)
		return;
	const char *defect = path_defect(entry->download, strlen(entry->download));
	if (defect != NULL)
		problem(self, key_of(place, "download"), "path \"%s\" is not canonical: it %s",
		    entry->download, defect);
}

static void
check_assert(const struct check *self, size_t index, time_t now)
{
	struct policy_file_assert *entry = &self->file->asserts[index];
	struct place place = {.list = "assert", .index = index};
	if (is_there(self, key_of(place, "subject"), entry->subject))
		is_name(self, key_of(place, "subject"), "subject", entry->subject);
	check_issuer(self, place, entry->issuer);
	check_operation(self, place, entry);
	if (is_there(self, key_of(place, "expect"), entry->expect) &&
	    !policy_verdict_parse(entry->expect, &entry->verdict))
		problem(self, key_of(place, "expect"),
		    "`expect` must be allow, unknown-subject, not-licensed, licence-expired, "
		    "licence-not-started or not-permitted, not \"%s\"",
		    entry->expect);
	entry->time = now;
	if (entry->at != NULL && !value_time(entry->at, &entry->time))
		problem(self, key_of(place, "at"),
		    "`at` must be YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ, not \"%s\"", entry->at);
}

void
policy_check(struct policy_file *file, const char *name, const struct yaml_source *source,
    time_t now, struct problems *problems)
{
	struct check self = {
	    .file = file,
	    .name = name,
	    .source = source,
	    .problems = problems,
	    .products = string_map_new(),
	    .customers = string_map_new(),
	    .subjects = string_map_new(),
	};
	check_serial(&self);
	check_issuer(&self, (struct place){0}, file->issuer);
	for (size_t i = 0; i < file->product_count; i++)
		check_product(&self, i);
	for (size_t i = 0; i < file->customer_count; i++)
		check_customer(&self, i);
	check_subjects(&self, file->probes, file->probe_count, HOLDER_PROBES);
	check_subjects(&self, file->observers, file->observer_count, HOLDER_OBSERVERS);
	for (size_t i = 0; i < file->assert_count; i++)
		check_assert(&self, i, now);
	string_map_free(self.products);
	string_map_free(self.customers);
	string_map_free(self.subjects);
}
