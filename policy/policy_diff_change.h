/*
 * One difference between two policies, as policy_diff.h and what it is made of show it.
 */
#ifndef POLICY_POLICY_DIFF_CHANGE_H
#define POLICY_POLICY_DIFF_CHANGE_H

#include "policy_period.h"

enum policy_diff_kind {
	POLICY_DIFF_CUSTOMER,
	POLICY_DIFF_PRODUCT,
	POLICY_DIFF_PATH,
	POLICY_DIFF_EXCEPT,
	POLICY_DIFF_CATALOGUE, /* a product that requires catalogues */
	POLICY_DIFF_SUBJECT,
	POLICY_DIFF_LIMIT,
	POLICY_DIFF_LICENCE,
	POLICY_DIFF_ACCESS, /* what a customer may download, whatever the products are called */
	POLICY_DIFF_KINDS,
};

/* What stood on one side. */
struct policy_diff_side {
	const char *text;              /* SUBJECT: whose it is; LIMIT: its value; else NULL */
	struct policy_periods periods; /* LICENCE, ACCESS: the days on which it holds */
};

struct policy_diff_change {
	enum policy_diff_kind kind;
	const char
	    *name; /* the customer; PRODUCT, PATH, EXCEPT, CATALOGUE: the product; the subject */
	const char *item; /* PATH, EXCEPT, ACCESS: the path; LICENCE: the product; LIMIT: its key */
	const char *const *except;          /* ACCESS: as in policy_access.h; else NULL */
	const struct policy_diff_side *old; /* NULL: not there */
	const struct policy_diff_side *new;
};
typedef void policy_diff_fn(const struct policy_diff_change *change, void *arg);

#endif
