/*
 * Differences between two policies as text and as JSON; mirrorgate-policy(1) has both formats.
 */
#ifndef POLICY_POLICY_DIFF_PRINT_H
#define POLICY_POLICY_DIFF_PRINT_H

#include <stdio.h>

#include "policy_diff.h"

/* A policy and what to call it. */
struct policy_diff_input {
	const char *name;
	struct policy_listing *listing;
};

/* Both write to OUT, whose errors are the caller's to look for. */
void policy_diff_print_text(struct policy_diff_input old, struct policy_diff_input new, FILE *out);
void policy_diff_print_json(struct policy_diff_input old, struct policy_diff_input new, FILE *out);

#endif
