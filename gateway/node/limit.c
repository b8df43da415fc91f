/* The table of limits, looked up by number. */
#include "limit.h"

#include <assert.h>
#include <stddef.h>

static const struct row {
	enum metric metric;
	unsigned retry_after;
	const char *detail;
} rows[] = {
#define LIMIT_ROW(name, metric, retry, detail) [LIMIT_##name] = {METRIC_##metric, retry, detail},
    LIMIT_TABLE(LIMIT_ROW)
#undef LIMIT_ROW
};

static const struct row *
row_of(enum limit limit)
{
	assert(limit > LIMIT_NONE && limit < LIMIT_COUNT);
	return &rows[limit];
}

enum metric
limit_metric(enum limit self)
{
	return row_of(self)->metric;
}

unsigned
limit_retry_after(enum limit self)
{
	return row_of(self)->retry_after;
}

const char *
limit_detail(enum limit self)
{
	return row_of(self)->detail;
}
