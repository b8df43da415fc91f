/*
 * The state of the node as JSON, for `mirrorgate status` and for observers: made of what lies in
 * shared memory, so that any process of the gate can print it.
 */
#ifndef GATEWAY_NODE_REPORT_H
#define GATEWAY_NODE_REPORT_H

#include <stdbool.h>
#include <time.h>

#include "gateway/config/config.h"
#include "gateway/node/history.h"
#include "gateway/node/metrics.h"
#include "gateway/node/quota.h"

struct node_report {
	const struct metrics *metrics;
	const struct history *history;
	const struct quota *quota;
	const struct config *config;
	uint64_t generation;
	bool draining;
	time_t now;
};

enum { NODE_REPORT_BUSIEST = 10 };

/* Why the node should get no traffic, as one word; NULL when it may. */
const char *node_report_unhealthy(const struct node_report *self);

/* Rows of the metrics' customers, the busiest first: by bytes a second, then by bytes. At most MAX;
 * returns how many. */
unsigned node_report_rank(const struct node_report *self, unsigned *rows, unsigned max);

/* Appends members of an object that is open: everything but the ten minutes. */
void node_report_print(const struct node_report *self, struct buffer *out);
/* Appends a member: the samples of the last ten minutes. */
void node_report_print_samples(const struct node_report *self, struct buffer *out);
/* Appends a member: MAX customers, the busiest first, and "other" when it had any. */
void node_report_print_customers(const struct node_report *self, unsigned max, struct buffer *out);

#endif
