/*
 * Which customers have series of their own in the metrics: the first CUSTOMER_ROWS_MAX that
 * any worker meets, in a table of shared memory. The rest are counted as one, so that neither the
 * memory nor a scrape grows with the policy.
 */
#ifndef GATEWAY_CUSTOMER_ROWS_H
#define GATEWAY_CUSTOMER_ROWS_H

enum {
	CUSTOMER_ROWS_MAX = 256,
	CUSTOMER_ROWS_OTHER = CUSTOMER_ROWS_MAX, /* the row of the rest, and its name; */
};
#define CUSTOMER_ROWS_OTHER_NAME "other" /* a customer of this name is one of them */

/* What is counted of each; see metrics_count_customer(). */
enum customer_cell {
	CUSTOMER_REQUESTS,
	CUSTOMER_REFUSALS,
	CUSTOMER_BYTES_SENT,
	CUSTOMER_BYTES_RECEIVED,
	CUSTOMER_CELLS,
};

struct customer_rows;

/* NULL, with errno set, when there is no memory. */
struct customer_rows *customer_rows_new(void);
void customer_rows_free(struct customer_rows *self);

/* The row of CUSTOMER, an id of the policy, which is given one when there is one left. */
unsigned customer_rows_find(struct customer_rows *self, const char *customer);

/* Whose ROW is; NULL: nobody's. */
const char *customer_rows_name(const struct customer_rows *self, unsigned row);

#endif
