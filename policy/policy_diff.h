/*
 * What differs between two policies: for an operator who is about to put the new one in force, or
 * has just done so.
 *
 * Names count, not places: a policy whose entries stand in another order is no different, nor is
 * one whose licences are written otherwise but hold on the same days.
 */
#ifndef POLICY_POLICY_DIFF_H
#define POLICY_POLICY_DIFF_H

#include "policy_diff_change.h"
#include "policy_listing.h"

/* Shows FN every difference: customers, products and their paths, subjects, and then for each
 * customer limits, licences and access; of each kind what the new policy has, in its order, and
 * then what only the old one had. What FN is shown lives until it returns. Limits are compared when
 * both policies have the customer, with subjects. */
void policy_diff(const struct policy_listing *old, const struct policy_listing *new,
    policy_diff_fn *fn, void *arg);

/* How many differences there are of each kind. */
struct policy_diff_counts {
	size_t gained[POLICY_DIFF_KINDS];
	size_t lost[POLICY_DIFF_KINDS];
	size_t changed[POLICY_DIFF_KINDS];
};

void policy_diff_count(struct policy_diff_counts *self, const struct policy_diff_change *change);

enum { POLICY_DIFF_SUMMARY_MAX = 400 };

/* "customers +1 -0, products +0 -1, ..., licences +2 -0 ~3" without access, or "no difference". */
void policy_diff_print_counts(
    const struct policy_diff_counts *self, char text[POLICY_DIFF_SUMMARY_MAX]);

/* The same for two policies that are open: for a log line at a reload, so access, which takes the
 * longest, is not compared. Takes time in proportion to the policies' size. */
void policy_diff_summary(
    const struct policy *old, const struct policy *new, char text[POLICY_DIFF_SUMMARY_MAX]);

#endif
