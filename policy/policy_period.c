/*
 * Spans of days: merged, compared, printed.
 */
#include "policy_period.h"

#include <stdlib.h>
#include <string.h>

#include "base/value.h"

struct policy_period
policy_period_of(const struct policy_image_licence *licence)
{
	return (struct policy_period){
	    .from = licence->from == POLICY_IMAGE_NO_DAY ? 0 : licence->from,
	    .ends = licence->ends == POLICY_IMAGE_NO_DAY ? POLICY_PERIOD_NEVER : licence->ends,
	};
}

static int
compare(const void *left, const void *right)
{
	const struct policy_period *a = left, *b = right;
	return (a->from > b->from) - (a->from < b->from);
}

size_t
policy_period_merge(struct policy_period *list, size_t count)
{
	size_t last = 0;
	if (count == 0)
		return 0;
	qsort(list, count, sizeof *list, compare);
	for (size_t i = 1; i < count; i++) {
		if (list[i].from > list[last].ends)
			list[++last] = list[i];
		else if (list[i].ends > list[last].ends)
			list[last].ends = list[i].ends;
	}
	return last + 1;
}

bool
policy_periods_equal(struct policy_periods a, struct policy_periods b)
{
	return a.count == b.count &&
	       (a.count == 0 || memcmp(a.list, b.list, a.count * sizeof *a.list) == 0);
}

static void
print_one(struct policy_period period, struct buffer *out)
{
	char day[VALUE_DATE_SIZE];
	bool starts = period.from != 0, ends = period.ends != POLICY_PERIOD_NEVER;
	if (!starts && !ends)
		buffer_printf(out, "always");
	if (starts) {
		value_print_day(period.from, day);
		buffer_printf(out, "from %s%s", day, ends ? " " : "");
	}
	if (ends) {
		value_print_day(period.ends - 1, day);
		buffer_printf(out, "until %s", day);
	}
}

void
policy_periods_print(struct policy_periods self, struct buffer *out)
{
	for (size_t i = 0; i < self.count; i++) {
		buffer_printf(out, "%s", i > 0 ? " and " : "");
		print_one(self.list[i], out);
	}
}
