/*
 * Which cell of the metrics an answer is counted in, and what its labels are then. None of them is
 * made of what a client sent.
 */
#ifndef GATEWAY_METRICS_LABELS_H
#define GATEWAY_METRICS_LABELS_H

#include "gateway/node/metrics.h"
#include "operation.h"

enum { METRICS_LABELS_NO_REASON }; /* it was not refused, and not cut */

/* The number of REASON, a text of the access log or NULL: a problem's, or that it was cut. */
unsigned metrics_labels_reason(const char *reason);

/* The cell of METRICS_FAMILY_RESPONSES. STATUS 0: no answer was sent. */
unsigned metrics_labels_response(enum operation operation, unsigned status, unsigned reason);

/* The labels of an operation, and of a cell: "operation=...", and so on. */
enum { METRICS_LABELS_MAX = 128 };
void metrics_labels_print_operation(unsigned operation, char text[METRICS_LABELS_MAX]);
void metrics_labels_print_response(unsigned cell, char text[METRICS_LABELS_MAX]);

#endif
