/*
 * Which customers have series of their own in the metrics: the first METRICS_CUSTOMERS that any
 * worker meets, in a table of shared memory. The rest are counted as one, so that neither the
 * memory nor a scrape grows with the policy.
 */
#ifndef GATEWAY_CUSTOMER_ROWS_H
#define GATEWAY_CUSTOMER_ROWS_H

#include "metrics.h"

enum { CUSTOMER_ROWS_OTHER = METRICS_CUSTOMERS }; /* the row of the rest, and its name; */
#define CUSTOMER_ROWS_OTHER_NAME "other"          /* a customer of this name is one of them */

/* The cells of a row; see METRICS_FAMILY_CUSTOMERS. */
enum customer_cell {
	CUSTOMER_REQUESTS,
	CUSTOMER_REFUSALS,
	CUSTOMER_BYTES_SENT,
	CUSTOMER_BYTES_RECEIVED,
};

struct customer_rows;

/* NULL, with errno set, when there is no memory. */
struct customer_rows *customer_rows_new(void);
void customer_rows_free(struct customer_rows *self);

/* The row of CUSTOMER, an id of the policy, which is given one when there is one left. */
unsigned customer_rows_find(struct customer_rows *self, const char *customer);

/* Whose ROW is; NULL: nobody's. */
const char *customer_rows_name(const struct customer_rows *self, unsigned row);

/* Counts in CELL of ROW. */
static inline void
customer_rows_count(
    struct metrics *metrics, unsigned worker, unsigned row, enum customer_cell cell, uint64_t n)
{
	metrics_cell_add(
	    metrics, worker, METRICS_FAMILY_CUSTOMERS, row * METRICS_CUSTOMER_CELLS + cell, n);
}

static inline uint64_t
customer_rows_total(const struct metrics *metrics, unsigned row, enum customer_cell cell)
{
	return metrics_cell_total(
	    metrics, METRICS_FAMILY_CUSTOMERS, row * METRICS_CUSTOMER_CELLS + cell);
}

#endif
