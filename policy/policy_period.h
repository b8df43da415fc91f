/*
 * Spans of days, as licences have them.
 *
 * Private to the policy library. A day that is open counts as day 0 (nothing is licensed before
 * 1970) or as POLICY_PERIOD_NEVER.
 */
#ifndef POLICY_POLICY_PERIOD_H
#define POLICY_POLICY_PERIOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "policy_image.h"

#define POLICY_PERIOD_NEVER UINT32_MAX

struct policy_period {
	uint32_t from; /* the first day; 0: open */
	uint32_t ends; /* the first day no longer in it; POLICY_PERIOD_NEVER: open */
};

struct policy_periods {
	const struct policy_period *list; /* ascending, with days between one and the next */
	size_t count;
};

struct policy_period policy_period_of(const struct policy_image_licence *licence);

/* Brings LIST into the form of struct policy_periods, in place; returns how many are left. */
size_t policy_period_merge(struct policy_period *list, size_t count);

bool policy_periods_equal(struct policy_periods a, struct policy_periods b);

/* Appends "always", "from 2026-01-01", "until 2027-12-31", "from ... until ... and from ...". */
void policy_periods_print(struct policy_periods self, struct buffer *out);

#endif
