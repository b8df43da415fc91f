/*
 * What each worker says of the generation that it has adopted, in cells of METRICS_FAMILY_NODE: for
 * those who show the state of the node and have neither policy nor certificates open.
 */
#ifndef GATEWAY_NODE_CELL_H
#define GATEWAY_NODE_CELL_H

#include <assert.h>

#include "metrics.h"

enum node_cell {
	NODE_POLICY_SERIAL,
	NODE_CUSTOMERS,        /* in the policy */
	NODE_CERTIFICATE_ENDS, /* Unix time; of the chain's first */
	NODE_CLIENT_CA_ENDS,   /* of the first of them */
	NODE_CRL_ENDS,         /* of the first of them; 0: there is none */
	NODE_CELL_COUNT,
};

static_assert((int)NODE_CELL_COUNT <= (int)METRICS_NODE_CELLS, "each has its place");

/* All workers have the same generation, or will in a moment: the first one's is that of the node.
 */
static inline uint64_t
node_cell_value(const struct metrics *metrics, enum node_cell cell)
{
	return metrics_cell_of(metrics, 0, METRICS_FAMILY_NODE, cell);
}

#endif
