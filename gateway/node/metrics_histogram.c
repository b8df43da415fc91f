/* Histograms of durations, from half a millisecond to five minutes: a small file comes from memory,
 * a large one at the customer's rate. */
#include "metrics_histogram.h"

#include <assert.h>

static const struct {
	double seconds;
	const char *text;
} bounds[] = {
    {0.0005, "0.0005"},
    {0.001, "0.001"},
    {0.0025, "0.0025"},
    {0.005, "0.005"},
    {0.01, "0.01"},
    {0.025, "0.025"},
    {0.1, "0.1"},
    {0.25, "0.25"},
    {1, "1"},
    {2.5, "2.5"},
    {10, "10"},
    {30, "30"},
    {60, "60"},
    {300, "300"},
};

enum { BOUNDS = sizeof bounds / sizeof *bounds, LONGER = BOUNDS, SUM };

static_assert(SUM + 1 == METRICS_HISTOGRAM_CELLS, "a cell for each bound, one beyond, the sum");

static const double microseconds = 1e6;

void
metrics_histogram_observe(struct metrics *metrics, unsigned worker, enum metrics_family family,
    unsigned index, double seconds)
{
	unsigned first = index * METRICS_HISTOGRAM_CELLS, bucket = 0;

	if (!(seconds > 0))
		seconds = 0; /* the clock was set back */
	while (bucket < BOUNDS && seconds > bounds[bucket].seconds)
		bucket++;
	metrics_cell_add(metrics, worker, family, first + bucket, 1);
	metrics_cell_add(metrics, worker, family, first + SUM, (uint64_t)(seconds * microseconds));
}

void
metrics_histogram_print(const struct metrics *metrics, enum metrics_family family, unsigned index,
    const char *name, const char *label, struct buffer *out)
{
	unsigned first = index * METRICS_HISTOGRAM_CELLS;
	uint64_t counts[BOUNDS + 1], all = 0, so_far = 0;

	for (unsigned i = 0; i <= LONGER; i++)
		all += counts[i] = metrics_cell_total(metrics, family, first + i);
	if (all == 0)
		return;
	for (unsigned i = 0; i < BOUNDS; i++) {
		so_far += counts[i];
		buffer_printf(out, "mirrorgate_%s_bucket{%s,le=\"%s\"} %llu\n", name, label,
		    bounds[i].text, (unsigned long long)so_far);
	}
	uint64_t sum = metrics_cell_total(metrics, family, first + SUM);
	buffer_printf(out,
	    "mirrorgate_%s_bucket{%s,le=\"+Inf\"} %llu\nmirrorgate_%s_sum{%s} %.6f\n"
	    "mirrorgate_%s_count{%s} %llu\n",
	    name, label, (unsigned long long)all, name, label, (double)sum / microseconds, name,
	    label, (unsigned long long)all);
}
