/*
 * Differences between two policies, name by name; licences are for policy_licences.c.
 */
#include "policy_diff.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/string_map.h"
#include "base/value.h"
#include "policy_licences.h"
#include "subject.h"

enum side { OLD, NEW, SIDES };

enum { HOLDER_MAX = POLICY_ID_MAX + SUBJECT_MAX_BYTES + 32, LIMIT_MAX = 24 };

struct diff {
	const struct policy_listing *listings[SIDES];
	struct string_map *products[SIDES];  /* id -> place */
	struct string_map *customers[SIDES]; /* id -> place */
	struct string_map *subjects[SIDES];  /* subject -> place */
	policy_diff_fn *fn;
	void *arg;
};

/* Texts, of which only those matter that the other side has not. */
struct texts {
	const char *const *list;
	size_t count;
};

static const struct policy_diff_side present = {0};

static void
show(const struct diff *self, struct policy_diff_change change)
{
	self->fn(&change, self->arg);
}

/* NAME stands on one side only. */
static void
show_one_sided(const struct diff *self, enum side side, enum policy_diff_kind kind,
    const char *name, const char *item)
{
	struct policy_diff_change change = {.kind = kind, .name = name, .item = item};
	*(side == OLD ? &change.old : &change.new) = &present;
	show(self, change);
}

static enum side
other(enum side side)
{
	return side == OLD ? NEW : OLD;
}

static bool
is_in(const struct string_map *map, const char *name)
{
	uint64_t place;
	return string_map_find(map, name, &place);
}

static void
compare_customers(const struct diff *self, enum side side)
{
	const struct policy_listing *listing = self->listings[side];
	for (uint32_t i = 0; i < listing->customer_count; i++) {
		const char *id = listing->customers[i].id;
		if (!is_in(self->customers[other(side)], id))
			show_one_sided(self, side, POLICY_DIFF_CUSTOMER, id, NULL);
	}
}

static void
compare_products(const struct diff *self, enum side side)
{
	const struct policy_listing *listing = self->listings[side];
	for (uint32_t i = 0; i < listing->product_count; i++) {
		const char *id = listing->products[i].id;
		if (!is_in(self->products[other(side)], id))
			show_one_sided(self, side, POLICY_DIFF_PRODUCT, id, NULL);
	}
}

/* Shows which texts are not among those THERE, each once. */
static void
compare_texts(const struct diff *self, enum side side, struct policy_diff_change change,
    struct texts here, struct texts there)
{
	struct string_map *known = string_map_new();
	uint64_t first;
	for (size_t i = 0; i < there.count; i++)
		string_map_add(known, there.list[i], 0, &first);
	for (size_t i = 0; i < here.count; i++) {
		if (string_map_add(known, here.list[i], 0, &first))
			show_one_sided(self, side, change.kind, change.name, here.list[i]);
	}
	string_map_free(known);
}

/* Paths, exceptions and the need of catalogues of the products on SIDE that their namesakes do not
 * have. */
static void
compare_paths(const struct diff *self, enum side side)
{
	static const struct policy_listing_product none = {0};
	const struct policy_listing *listing = self->listings[side];
	for (uint32_t i = 0; i < listing->product_count; i++) {
		const struct policy_listing_product *here = &listing->products[i], *there = &none;
		uint64_t place;
		if (string_map_find(self->products[other(side)], here->id, &place))
			there = &self->listings[other(side)]->products[place];
		compare_texts(self, side,
		    (struct policy_diff_change){.kind = POLICY_DIFF_PATH, .name = here->id},
		    (struct texts){here->paths, here->path_count},
		    (struct texts){there->paths, there->path_count});
		compare_texts(self, side,
		    (struct policy_diff_change){.kind = POLICY_DIFF_EXCEPT, .name = here->id},
		    (struct texts){here->except, here->except_count},
		    (struct texts){there->except, there->except_count});
		if (here->catalogue_required && !there->catalogue_required)
			show_one_sided(self, side, POLICY_DIFF_CATALOGUE, here->id, NULL);
	}
}

/* "customer acme", "probe" or "observer", and who has to have issued the certificate. */
static void
print_holder(const struct policy_listing *listing, uint32_t number, char text[HOLDER_MAX])
{
	const struct policy_listing_subject *subject = &listing->subjects[number];
	const struct policy_listing_customer *customer = NULL;
	int len;
	if (subject->role == POLICY_ROLE_CUSTOMER)
		customer = &listing->customers[subject->customer];
	if (customer != NULL)
		len = snprintf(text, HOLDER_MAX, "customer %s", customer->id);
	else
		len = snprintf(text, HOLDER_MAX, "%s",
		    subject->role == POLICY_ROLE_PROBE ? "probe" : "observer");
	const char *issuer = customer != NULL ? customer->issuer : listing->issuer;
	if (issuer[0] != '\0')
		snprintf(text + len, HOLDER_MAX - (size_t)len, ", issued by %s", issuer);
}

/* Subjects that the new policy has, and the old one has not or holds by another. */
static void
compare_new_subjects(const struct diff *self)
{
	const struct policy_listing *listing = self->listings[NEW];
	char is_text[HOLDER_MAX], was_text[HOLDER_MAX];
	const struct policy_diff_side is = {.text = is_text}, was = {.text = was_text};
	for (uint32_t i = 0; i < listing->subject_count; i++) {
		const char *subject = listing->subjects[i].text;
		uint64_t place;
		bool known = string_map_find(self->subjects[OLD], subject, &place);
		print_holder(listing, i, is_text);
		if (known)
			print_holder(self->listings[OLD], (uint32_t)place, was_text);
		if (!known || strcmp(is_text, was_text) != 0)
			show(self, (struct policy_diff_change){.kind = POLICY_DIFF_SUBJECT,
			               .name = subject,
			               .old = known ? &was : NULL,
			               .new = &is});
	}
}

static void
compare_old_subjects(const struct diff *self)
{
	const struct policy_listing *listing = self->listings[OLD];
	char was_text[HOLDER_MAX];
	const struct policy_diff_side was = {.text = was_text};
	for (uint32_t i = 0; i < listing->subject_count; i++) {
		const char *subject = listing->subjects[i].text;
		if (is_in(self->subjects[NEW], subject))
			continue;
		print_holder(listing, i, was_text);
		show(self, (struct policy_diff_change){
		               .kind = POLICY_DIFF_SUBJECT, .name = subject, .old = &was});
	}
}

static void
print_limit(uint64_t value, bool is_size, char text[LIMIT_MAX])
{
	if (value == 0)
		snprintf(text, LIMIT_MAX, "none");
	else if (is_size)
		value_print_size(value, text);
	else
		snprintf(text, LIMIT_MAX, "%" PRIu64, value);
}

/* The limit at KEY, which is a size when it is the rate. */
static void
compare_limit(
    const struct diff *self, const char *customer, const char *key, uint64_t old, uint64_t new)
{
	char was_text[LIMIT_MAX], is_text[LIMIT_MAX];
	bool is_size = strcmp(key, "rate") == 0;
	if (old == new)
		return;
	print_limit(old, is_size, was_text);
	print_limit(new, is_size, is_text);
	show(self, (struct policy_diff_change){.kind = POLICY_DIFF_LIMIT,
	               .name = customer,
	               .item = key,
	               .old = &(struct policy_diff_side){.text = was_text},
	               .new = &(struct policy_diff_side){.text = is_text}});
}

static void
compare_limits(const struct diff *self, const struct policy_listing_customer *old,
    const struct policy_listing_customer *new)
{
	if (old->subject_count == 0 || new->subject_count == 0)
		return;
	compare_limit(self, new->id, "rate", old->rate, new->rate);
	compare_limit(self, new->id, "connections", old->connections, new->connections);
	compare_limit(self, new->id, "requests_per_second", old->requests_per_second,
	    new->requests_per_second);
	compare_limit(
	    self, new->id, "snapshots_per_day", old->snapshots_per_day, new->snapshots_per_day);
}

/* Limits, licences and access of each customer. */
static void
compare_each_customer(const struct diff *self, struct policy_licences *licences)
{
	const struct policy_listing *old = self->listings[OLD], *new = self->listings[NEW];
	for (uint32_t i = 0; i < new->customer_count; i++) {
		const struct policy_listing_customer *is = &new->customers[i], *was = NULL;
		uint64_t place;
		if (string_map_find(self->customers[OLD], is->id, &place)) {
			was = &old->customers[place];
			compare_limits(self, was, is);
		}
		policy_licences_compare(licences, is->id, was, is, self->fn, self->arg);
	}
	for (uint32_t i = 0; i < old->customer_count; i++) {
		const struct policy_listing_customer *was = &old->customers[i];
		if (!is_in(self->customers[NEW], was->id))
			policy_licences_compare(licences, was->id, was, NULL, self->fn, self->arg);
	}
}

static void
map_names(struct diff *self, enum side side)
{
	const struct policy_listing *listing = self->listings[side];
	uint64_t first;
	self->products[side] = string_map_new();
	self->customers[side] = string_map_new();
	self->subjects[side] = string_map_new();
	for (uint32_t i = 0; i < listing->product_count; i++)
		string_map_add(self->products[side], listing->products[i].id, i, &first);
	for (uint32_t i = 0; i < listing->customer_count; i++)
		string_map_add(self->customers[side], listing->customers[i].id, i, &first);
	for (uint32_t i = 0; i < listing->subject_count; i++)
		string_map_add(self->subjects[side], listing->subjects[i].text, i, &first);
}

static void
free_maps(struct diff *self, enum side side)
{
	string_map_free(self->products[side]);
	string_map_free(self->customers[side]);
	string_map_free(self->subjects[side]);
}

static void
compare(struct diff *self, bool with_access)
{
	struct policy_licences *licences =
	    policy_licences_new(self->listings[OLD], self->listings[NEW], with_access);
	map_names(self, OLD);
	map_names(self, NEW);
	compare_customers(self, NEW);
	compare_customers(self, OLD);
	compare_products(self, NEW);
	compare_products(self, OLD);
	compare_paths(self, NEW);
	compare_paths(self, OLD);
	compare_new_subjects(self);
	compare_old_subjects(self);
	compare_each_customer(self, licences);
	free_maps(self, OLD);
	free_maps(self, NEW);
	policy_licences_free(licences);
}

void
policy_diff(const struct policy_listing *old, const struct policy_listing *new, policy_diff_fn *fn,
    void *arg)
{
	struct diff self = {.listings = {old, new}, .fn = fn, .arg = arg};
	compare(&self, true);
}

/* ---- counting ---- */

void
policy_diff_count(struct policy_diff_counts *self, const struct policy_diff_change *change)
{
	if (change->old == NULL)
		self->gained[change->kind]++;
	else if (change->new == NULL)
		self->lost[change->kind]++;
	else
		self->changed[change->kind]++;
}

static void
on_change(const struct policy_diff_change *change, void *arg)
{
	policy_diff_count(arg, change);
}

void
policy_diff_print_counts(const struct policy_diff_counts *self, char text[POLICY_DIFF_SUMMARY_MAX])
{
	static const char *const names[] = {
	    [POLICY_DIFF_CUSTOMER] = "customers",
	    [POLICY_DIFF_PRODUCT] = "products",
	    [POLICY_DIFF_PATH] = "paths",
	    [POLICY_DIFF_EXCEPT] = "exceptions",
	    [POLICY_DIFF_CATALOGUE] = "catalogues",
	    [POLICY_DIFF_SUBJECT] = "subjects",
	    [POLICY_DIFF_LIMIT] = "limits",
	    [POLICY_DIFF_LICENCE] = "licences",
	};
	size_t used = 0, total = 0;
	for (size_t i = 0; i < POLICY_DIFF_ACCESS; i++) {
		size_t gained = self->gained[i], lost = self->lost[i], changed = self->changed[i];
		total += gained + lost + changed;
		if (i == POLICY_DIFF_CATALOGUE && gained + lost == 0)
			continue; /* few policies have the key */
		used += (size_t)snprintf(text + used, POLICY_DIFF_SUMMARY_MAX - used, "%s%s",
		    i > 0 ? ", " : "", names[i]);
		if (i != POLICY_DIFF_LIMIT) /* these are changed or as they were */
			used += (size_t)snprintf(text + used, POLICY_DIFF_SUMMARY_MAX - used,
			    " +%zu -%zu", gained, lost);
		if (i >= POLICY_DIFF_SUBJECT) /* and these may be */
			used += (size_t)snprintf(
			    text + used, POLICY_DIFF_SUMMARY_MAX - used, " ~%zu", changed);
		assert(used < POLICY_DIFF_SUMMARY_MAX);
	}
	if (total == 0)
		snprintf(text, POLICY_DIFF_SUMMARY_MAX, "no difference");
}

void
policy_diff_summary(
    const struct policy *old, const struct policy *new, char text[POLICY_DIFF_SUMMARY_MAX])
{
	const char *defect = NULL;
	struct policy_diff_counts counts = {0};
	struct policy_listing *before = policy_listing_new(old, &defect);
	struct policy_listing *after = policy_listing_new(new, &defect);
	struct diff self = {.listings = {before, after}, .fn = on_change, .arg = &counts};
	assert(before != NULL && after != NULL); /* both were compiled, or verified */
	compare(&self, false);
	policy_listing_free(before);
	policy_listing_free(after);
	policy_diff_print_counts(&counts, text);
}
