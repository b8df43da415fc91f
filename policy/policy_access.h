/*
 * What one customer may download before and after, path by path.
 *
 * Private to the policy library. Products are only names for paths: this looks through them, so a
 * product that was renamed, split or joined makes no difference here unless somebody's access does.
 */
#ifndef POLICY_POLICY_ACCESS_H
#define POLICY_POLICY_ACCESS_H

#include "policy_listing.h"
#include "policy_period.h"

/* A licence. */
struct policy_access_term {
	const struct policy_listing_product *product;
	struct policy_period period;
};

struct policy_access_terms {
	const struct policy_access_term *list;
	size_t count;
};

/* One difference: on PATH (in the form of a rule), which was open to the customer during OLD and
 * is during NEW. It holds below PATH except where the list EXCEPT (NULL-terminated) or the path of
 * another difference of this customer is more specific. */
struct policy_access_change {
	const char *path;
	const char *const *except;
	struct policy_periods old, new;
};
typedef void policy_access_fn(const struct policy_access_change *change, void *arg);

/* Shows FN each difference between two sets of licences, ascending by path. What it is shown lives
 * until FN returns. */
void policy_access_compare(struct policy_access_terms old, struct policy_access_terms new,
    policy_access_fn *fn, void *arg);

#endif
