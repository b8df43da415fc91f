/*
 * Comparing what two sets of licences open.
 *
 * The rules and exceptions of all licences, old and new, cut the paths into regions: what is below
 * a rule but not below a longer one. Within a region all paths are open at the same times. In
 * sorted order a region comes after those it lies in, so one walk with a stack sees at each region
 * which licences cover it and which except it. The hard part is to report few lines: a region with
 * the same times, before and after, as the one around it is no region of its own.
 */
#include "policy_access.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

/* A rule or an exception of one licence. */
struct mark {
	const char *path;
	uint32_t term; /* the old licences, then the new ones */
	bool excepts;
};

struct region {
	const char *path;
	const struct mark *marks; /* those with this path */
	size_t mark_count;
	size_t around; /* the innermost region it lies in; NONE */
	size_t head;   /* the outermost one of which it is a mere part */
	size_t first;  /* place in the periods: the old ones, then the new ones */
	size_t old_count, new_count;
};

#define NONE SIZE_MAX

struct compare {
	struct policy_access_terms sides[2];
	struct mark *marks;
	size_t mark_count;
	struct region *regions;
	size_t region_count;
	uint32_t *covered; /* by term: how many of its rules are around the current region */
	uint32_t *excepted;
	struct policy_period *periods;
	size_t period_count, period_capacity;
};

static const struct policy_access_term *
term_at(const struct compare *self, size_t number)
{
	size_t old = self->sides[0].count;
	return number < old ? &self->sides[0].list[number] : &self->sides[1].list[number - old];
}

static size_t
term_count(const struct compare *self)
{
	return self->sides[0].count + self->sides[1].count;
}

static int
compare_marks(const void *left, const void *right)
{
	const struct mark *a = left, *b = right;
	return strcmp(a->path, b->path);
}

static void
collect_marks(struct compare *self)
{
	size_t count = 0, terms = term_count(self);
	for (size_t i = 0; i < terms; i++)
		count += (size_t)term_at(self, i)->product->path_count +
		         term_at(self, i)->product->except_count;
	self->marks = buffer_alloc_list(count, sizeof *self->marks);
	for (uint32_t i = 0; i < terms; i++) {
		const struct policy_listing_product *product = term_at(self, i)->product;
		for (uint32_t j = 0; j < product->path_count; j++)
			self->marks[self->mark_count++] =
			    (struct mark){product->paths[j], i, false};
		for (uint32_t j = 0; j < product->except_count; j++)
			self->marks[self->mark_count++] =
			    (struct mark){product->except[j], i, true};
	}
	qsort(self->marks, self->mark_count, sizeof *self->marks, compare_marks);
}

/* REGIONS has room for one with each mark. */
static void
collect_regions(struct compare *self, struct region *regions)
{
	size_t count = 0;
	for (size_t i = 0; i < self->mark_count; i++) {
		const struct mark *mark = &self->marks[i];
		if (i == 0 || strcmp(mark->path, mark[-1].path) != 0)
			regions[count++] = (struct region){.path = mark->path, .marks = mark};
		regions[count - 1].mark_count++;
	}
	self->regions = regions;
	self->region_count = count;
}

/* Counts the marks of REGION as being around, or no longer. */
static void
count_marks(struct compare *self, const struct region *region, bool enter)
{
	for (size_t i = 0; i < region->mark_count; i++) {
		const struct mark *mark = &region->marks[i];
		uint32_t *counter = mark->excepts ? self->excepted : self->covered;
		if (enter)
			counter[mark->term]++;
		else
			counter[mark->term]--;
	}
}

/* Appends the times during which the terms from FIRST to END open the current region; returns how
 * many periods that makes. */
static size_t
add_periods(struct compare *self, size_t first, size_t end)
{
	size_t start = self->period_count;
	for (size_t i = first; i < end; i++) {
		if (self->covered[i] == 0 || self->excepted[i] > 0)
			continue;
		if (self->period_count == self->period_capacity) {
			self->period_capacity = 2 * self->period_capacity + 64;
			self->periods = reallocarray(
			    self->periods, self->period_capacity, sizeof *self->periods);
			if (self->periods == NULL)
				abort();
		}
		self->periods[self->period_count++] = term_at(self, i)->period;
	}
	if (self->period_count > start)
		self->period_count =
		    start + policy_period_merge(self->periods + start, self->period_count - start);
	return self->period_count - start;
}

static bool
is_inside(const struct region *inner, const struct region *outer)
{
	size_t len = strlen(outer->path);
	return outer->path[len - 1] == '/' && strncmp(inner->path, outer->path, len) == 0;
}

/* Fills in what every region lies in, and when it is open. */
static void
walk(struct compare *self)
{
	size_t innermost = NONE;
	for (size_t i = 0; i < self->region_count; i++) {
		struct region *region = &self->regions[i];
		while (innermost != NONE && !is_inside(region, &self->regions[innermost])) {
			count_marks(self, &self->regions[innermost], false);
			innermost = self->regions[innermost].around;
		}
		region->around = innermost;
		count_marks(self, region, true);
		region->first = self->period_count;
		region->old_count = add_periods(self, 0, self->sides[0].count);
		region->new_count = add_periods(self, self->sides[0].count, term_count(self));
		innermost = i;
	}
}

static struct policy_periods
old_of(const struct compare *self, const struct region *region)
{
	return (struct policy_periods){self->periods + region->first, region->old_count};
}

static struct policy_periods
new_of(const struct compare *self, const struct region *region)
{
	return (struct policy_periods){
	    self->periods + region->first + region->old_count, region->new_count};
}

static bool
is_changed(const struct compare *self, const struct region *region)
{
	return !policy_periods_equal(old_of(self, region), new_of(self, region));
}

static bool
is_part_of(const struct compare *self, const struct region *region, const struct region *around)
{
	return policy_periods_equal(old_of(self, region), old_of(self, around)) &&
	       policy_periods_equal(new_of(self, region), new_of(self, around));
}

static void
find_heads(struct compare *self)
{
	for (size_t i = 0; i < self->region_count; i++) {
		struct region *region = &self->regions[i];
		const struct region *around =
		    region->around != NONE ? &self->regions[region->around] : NULL;
		region->head =
		    around != NULL && is_part_of(self, region, around) ? around->head : i;
	}
}

/* Shows the difference on the region NUMBER, a head. EXCEPT has room for all. */
static void
show(
    const struct compare *self, size_t number, const char **except, policy_access_fn *fn, void *arg)
{
	const struct region *head = &self->regions[number];
	size_t count = 0;
	for (size_t i = number + 1; i < self->region_count; i++) {
		const struct region *region = &self->regions[i];
		if (!is_inside(region, head))
			break;
		if (region->head == i && self->regions[region->around].head == number &&
		    !is_changed(self, region))
			except[count++] = region->path;
	}
	except[count] = NULL;
	fn(&(struct policy_access_change){.path = head->path,
	       .except = except,
	       .old = old_of(self, head),
	       .new = new_of(self, head)},
	    arg);
}

void
policy_access_compare(
    struct policy_access_terms old, struct policy_access_terms new, policy_access_fn *fn, void *arg)
{
	struct compare self = {.sides = {old, new}};
	self.covered = buffer_alloc_list(term_count(&self), sizeof *self.covered);
	self.excepted = buffer_alloc_list(term_count(&self), sizeof *self.excepted);
	collect_marks(&self);
	struct region *regions = buffer_alloc_list(self.mark_count, sizeof *regions);
	collect_regions(&self, regions);
	walk(&self);
	find_heads(&self);
	const char **except = buffer_alloc_list(self.region_count, sizeof *except);
	for (size_t i = 0; i < self.region_count; i++) {
		if (self.regions[i].head == i && is_changed(&self, &self.regions[i]))
			show(&self, i, except, fn, arg);
	}
	free(except);
	free(self.marks);
	free(regions);
	free(self.covered);
	free(self.excepted);
	free(self.periods);
}
