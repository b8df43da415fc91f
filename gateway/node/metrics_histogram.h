/*
 * How long things took: a Prometheus histogram is METRICS_HISTOGRAM_CELLS cells of a family, one
 * for each bucket, one for what is longer than the last, and the sum in microseconds.
 */
#ifndef GATEWAY_METRICS_HISTOGRAM_H
#define GATEWAY_METRICS_HISTOGRAM_H

#include "metrics.h"

/* Counts SECONDS in the histogram INDEX of FAMILY. */
void metrics_histogram_observe(struct metrics *metrics, unsigned worker, enum metrics_family family,
    unsigned index, double seconds);

/* Appends the series of the histogram INDEX of FAMILY, without HELP and TYPE, as
 * mirrorgate_NAME_bucket{LABEL,le="..."} and so on; nothing when nothing was counted. LABEL is
 * escaped already and not empty. */
void metrics_histogram_print(const struct metrics *metrics, enum metrics_family family,
    unsigned index, const char *name, const char *label, struct buffer *out);

#endif
