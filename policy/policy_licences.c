/*
 * Comparing the licences of a customer.
 *
 * The hard part is 100,000 customers with 20 licences each, of which few have changed. Products get
 * numbers that mean the same in both policies: one by their id, one by what is in them. A customer
 * whose licences have the same numbers and dates is passed over; only the others are sorted, merged
 * and looked into.
 */
#include "policy_licences.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/string_map.h"
#include "policy_access.h"

enum { OLD, NEW, SIDES };

struct licence {
	uint32_t number; /* of its product */
	struct policy_period period;
	const struct policy_listing_product *product;
};

struct licences {
	struct licence *list;
	size_t count, capacity;
};

/* What products are numbered by: texts of both policies, each with the place of its first. */
struct numbers {
	uint32_t *of[SIDES]; /* by a product's place in the listing */
};

struct policy_licences {
	const struct policy_listing *listings[SIDES];
	struct numbers by_id;
	struct numbers by_content;
	bool with_access;
	struct licences licences[SIDES]; /* of the customer at hand */
	const char *customer;
	policy_diff_fn *fn;
	void *arg;
};

static int
compare_texts(const void *left, const void *right)
{
	const char *const *a = left, *const *b = right;
	return strcmp(*a, *b);
}

/* Appends the COUNT texts in LIST, sorted and each once, and an empty line. */
static void
append_sorted(struct buffer *out, const char *const *list, size_t count)
{
	const char **sorted = buffer_alloc_list(count, sizeof *sorted);
	for (size_t i = 0; i < count; i++)
		sorted[i] = list[i];
	qsort(sorted, count, sizeof *sorted, compare_texts);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || strcmp(sorted[i], sorted[i - 1]) != 0)
			buffer_printf(out, "%s\n", sorted[i]);
	}
	buffer_append(out, "\n", 1);
	free(sorted);
}

static char *
id_of(const struct policy_listing_product *product)
{
	return buffer_strdup(product->id);
}

/* The same text for all products with the same paths and exceptions. */
static char *
content_of(const struct policy_listing_product *product)
{
	struct buffer text = {0};
	append_sorted(&text, product->paths, product->path_count);
	append_sorted(&text, product->except, product->except_count);
	buffer_append(&text, "", 1);
	return buffer_bytes(&text);
}

/* Numbers the products of both listings, the new one's first, so that those of one text have one
 * number. */
static struct numbers
number_products(const struct policy_listing *const listings[SIDES],
    char *(*text_of)(const struct policy_listing_product *))
{
	struct numbers numbers;
	uint32_t total = listings[OLD]->product_count + listings[NEW]->product_count, next = 0;
	char **texts = buffer_alloc_list(total, sizeof *texts);
	struct string_map *map = string_map_new();
	for (int side = NEW; side >= OLD; side--) {
		const struct policy_listing *listing = listings[side];
		numbers.of[side] =
		    buffer_alloc_list(listing->product_count, sizeof *numbers.of[side]);
		for (uint32_t i = 0; i < listing->product_count; i++, next++) {
			uint64_t number = next;
			texts[next] = text_of(&listing->products[i]);
			string_map_add(map, texts[next], next, &number);
			numbers.of[side][i] = (uint32_t)number;
		}
	}
	string_map_free(map);
	for (uint32_t i = 0; i < total; i++)
		free(texts[i]);
	free(texts);
	return numbers;
}

struct policy_licences *
policy_licences_new(
    const struct policy_listing *old, const struct policy_listing *new, bool with_access)
{
	struct policy_licences *self = buffer_alloc_list(1, sizeof *self);
	self->listings[OLD] = old;
	self->listings[NEW] = new;
	self->with_access = with_access;
	self->by_id = number_products(self->listings, id_of);
	if (with_access)
		self->by_content = number_products(self->listings, content_of);
	return self;
}

void
policy_licences_free(struct policy_licences *self)
{
	if (self == NULL)
		return;
	for (int side = OLD; side < SIDES; side++) {
		free(self->by_id.of[side]);
		free(self->by_content.of[side]);
		free(self->licences[side].list);
	}
	free(self);
}

/* Takes the licences of CUSTOMER, which may be NULL, with their products' NUMBERS. */
static void
take_licences(struct policy_licences *self, int side,
    const struct policy_listing_customer *customer, const uint32_t *numbers)
{
	const struct policy_listing *listing = self->listings[side];
	struct licences *licences = &self->licences[side];
	licences->count = 0;
	if (customer == NULL)
		return;
	if (customer->licence_count > licences->capacity) {
		licences->capacity = 2 * (size_t)customer->licence_count;
		free(licences->list);
		licences->list = buffer_alloc_list(licences->capacity, sizeof *licences->list);
	}
	struct policy_image_cursor records = customer->licences;
	struct policy_image_licence licence;
	while (policy_image_get_licence(&records, &licence)) {
		assert(licence.product < listing->product_count);
		licences->list[licences->count++] = (struct licence){
		    .number = numbers[licence.product],
		    .period = policy_period_of(&licence),
		    .product = &listing->products[licence.product],
		};
	}
}

/* Takes the licences of both; false when they are the same, one by one. */
static bool
take_both(struct policy_licences *self, const struct policy_listing_customer *old,
    const struct policy_listing_customer *new, const struct numbers *numbers)
{
	const struct licences *before = &self->licences[OLD], *after = &self->licences[NEW];
	take_licences(self, OLD, old, numbers->of[OLD]);
	take_licences(self, NEW, new, numbers->of[NEW]);
	if (before->count != after->count)
		return true;
	for (size_t i = 0; i < before->count; i++) {
		const struct licence *a = &before->list[i], *b = &after->list[i];
		if (a->number != b->number || a->period.from != b->period.from ||
		    a->period.ends != b->period.ends)
			return true;
	}
	return false;
}

static void
show(const struct policy_licences *self, struct policy_diff_change change,
    struct policy_periods old, struct policy_periods new)
{
	const struct policy_diff_side before = {.periods = old}, after = {.periods = new};
	change.name = self->customer;
	change.old = old.count > 0 ? &before : NULL;
	change.new = new.count > 0 ? &after : NULL;
	self->fn(&change, self->arg);
}

static int
by_number(const void *left, const void *right)
{
	const struct licence *a = left, *b = right;
	return (a->number > b->number) - (a->number < b->number);
}

static void
sort_licences(struct licences *self)
{
	if (self->count > 1)
		qsort(self->list, self->count, sizeof *self->list, by_number);
}

/* Merges the periods of the licences with NUMBER, which begin at *AT, in LIST. */
static struct policy_periods
take_number(
    const struct licences *licences, size_t *at, uint32_t number, struct policy_period *list)
{
	size_t count = 0;
	for (; *at < licences->count && licences->list[*at].number == number; ++*at)
		list[count++] = licences->list[*at].period;
	return (struct policy_periods){list, policy_period_merge(list, count)};
}

/* Goes through the sorted licences of both sides, product by product. */
static void
compare_by_product(struct policy_licences *self)
{
	const struct licences *old = &self->licences[OLD], *new = &self->licences[NEW];
	struct policy_period *periods = buffer_alloc_list(old->count + new->count, sizeof *periods);
	size_t i = 0, j = 0;
	sort_licences(&self->licences[OLD]);
	sort_licences(&self->licences[NEW]);
	while (i < old->count || j < new->count) {
		const struct licence *next = i < old->count ? &old->list[i] : &new->list[j];
		if (j < new->count &&new->list[j].number < next->number)
			next = &new->list[j];
		struct policy_periods before = take_number(old, &i, next->number, periods);
		struct policy_periods after =
		    take_number(new, &j, next->number, periods + old->count);
		if (!policy_periods_equal(before, after))
			show(self,
			    (struct policy_diff_change){
			        .kind = POLICY_DIFF_LICENCE, .item = next->product->id},
			    before, after);
	}
	free(periods);
}

static struct policy_access_term *
new_terms(const struct licences *licences)
{
	struct policy_access_term *terms = buffer_alloc_list(licences->count, sizeof *terms);
	for (size_t i = 0; i < licences->count; i++) {
		terms[i].product = licences->list[i].product;
		terms[i].period = licences->list[i].period;
	}
	return terms;
}

static void
on_access(const struct policy_access_change *change, void *arg)
{
	show(arg,
	    (struct policy_diff_change){
	        .kind = POLICY_DIFF_ACCESS, .item = change->path, .except = change->except},
	    change->old, change->new);
}

static void
compare_access(struct policy_licences *self)
{
	const struct licences *old = &self->licences[OLD], *new = &self->licences[NEW];
	struct policy_access_term *before = new_terms(old), *after = new_terms(new);
	policy_access_compare((struct policy_access_terms){before, old->count},
	    (struct policy_access_terms){after, new->count}, on_access, self);
	free(before);
	free(after);
}

void
policy_licences_compare(struct policy_licences *self, const char *name,
    const struct policy_listing_customer *old, const struct policy_listing_customer *new,
    policy_diff_fn *fn, void *arg)
{
	self->customer = name;
	self->fn = fn;
	self->arg = arg;
	if (take_both(self, old, new, &self->by_id))
		compare_by_product(self);
	if (self->with_access && take_both(self, old, new, &self->by_content))
		compare_access(self);
}
