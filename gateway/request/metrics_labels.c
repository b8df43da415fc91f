/* The labels of answers. The one hard part: a status that is not in the list would be counted
 * nowhere, so there is a place for others. */
#include "metrics_labels.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static_assert((int)OPERATION_COUNT <= (int)METRICS_OPERATIONS, "each operation has its cells");
static_assert((int)PROBLEM_COUNT + 1 <= (int)METRICS_REASONS, "each reason has its cells");

enum { CUT = PROBLEM_COUNT }; /* by what is no problem: a client that left, a limit of time */

/* What is counted most comes first; 0 is no answer at all. */
static const unsigned short statuses[] = {200, 206, 304, 404, 201, 403, 429, 412, 416, 0, 400, 405,
    408, 410, 411, 413, 414, 415, 417, 421, 422, 431, 501, 502, 503, 504};

enum { STATUSES = sizeof statuses / sizeof *statuses, OTHER_STATUS = STATUSES };

static_assert((int)STATUSES + 1 <= (int)METRICS_STATUSES, "each status has its cells");

unsigned
metrics_labels_reason(const char *reason)
{
	if (reason == NULL)
		return METRICS_LABELS_NO_REASON;
	for (unsigned i = PROBLEM_NONE + 1; i < PROBLEM_COUNT; i++)
		if (strcmp(reason, problem_name((enum problem)i)) == 0)
			return i;
	return CUT;
}

unsigned
metrics_labels_response(enum operation operation, unsigned status, unsigned reason)
{
	unsigned i = 0;

	assert(reason < METRICS_REASONS);
	while (i < STATUSES && statuses[i] != status)
		i++;
	return ((unsigned)operation * METRICS_STATUSES + i) * METRICS_REASONS + reason;
}

static const char *
operation_label(unsigned operation)
{
	const char *name = operation_name((enum operation)operation);

	return name != NULL ? name : "none";
}

void
metrics_labels_print_operation(unsigned operation, char text[METRICS_LABELS_MAX])
{
	(void)snprintf(text, METRICS_LABELS_MAX, "operation=\"%s\"", operation_label(operation));
}

static void
print_status(unsigned place, char text[8])
{
	if (place == OTHER_STATUS)
		(void)snprintf(text, 8, "other");
	else if (statuses[place] == 0)
		(void)snprintf(text, 8, "none");
	else
		(void)snprintf(text, 8, "%u", (unsigned)statuses[place]);
}

void
metrics_labels_print_response(unsigned cell, char text[METRICS_LABELS_MAX])
{
	unsigned reason = cell % METRICS_REASONS,
	         status = cell / METRICS_REASONS % METRICS_STATUSES;
	unsigned operation = cell / METRICS_REASONS / METRICS_STATUSES;
	char code[8];

	assert(reason <= CUT && status <= OTHER_STATUS);
	print_status(status, code);
	(void)snprintf(text, METRICS_LABELS_MAX, "operation=\"%s\",status=\"%s\",reason=\"%s\"",
	    operation_label(operation), code,
	    reason == CUT            ? "cut"
	    : reason == PROBLEM_NONE ? ""
	                             : problem_name((enum problem)reason));
}
