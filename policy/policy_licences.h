/*
 * The licences of one customer after another, compared between two policies.
 *
 * Private to policy_diff.c.
 */
#ifndef POLICY_POLICY_LICENCES_H
#define POLICY_POLICY_LICENCES_H

#include "policy_diff_change.h"
#include "policy_listing.h"

struct policy_licences;

/* The listings must outlive it. WITH_ACCESS: differences of access are wanted as well. */
struct policy_licences *policy_licences_new(
    const struct policy_listing *old, const struct policy_listing *new, bool with_access);
void policy_licences_free(struct policy_licences *self);

/* Shows FN the differences between two customers called NAME, of which one may be NULL: licences
 * by product, in the order of the new policy's products, those it no longer has last; then access,
 * ascending by path. */
void policy_licences_compare(struct policy_licences *self, const char *name,
    const struct policy_listing_customer *old, const struct policy_listing_customer *new,
    policy_diff_fn *fn, void *arg);

#endif
