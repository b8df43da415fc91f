/*
 * Why a policy allows something or refuses it: the decision of the gateway, and the one entry of
 * the policy that it hangs on.
 */
#ifndef POLICY_POLICY_EXPLAIN_H
#define POLICY_POLICY_EXPLAIN_H

#include <stdio.h>

#include "policy.h"

struct policy_lines;

/* May SUBJECT, which is canonical, download a canonical path or file a snapshot? */
struct policy_question {
	const char *subject;
	const char *issuer;   /* canonical; NULL: as if the right CA had certified the subject */
	const char *download; /* one of the two is NULL */
	const char *snapshot;
	time_t at;
};

/* What is asked: NAME is the policy's for messages, LINES is NULL when it has none (an image). */
struct policy_explained {
	const char *name;
	const struct policy *policy;
	const struct policy_lines *lines;
};

/* Both print the answer to OUT, whose errors are the caller's to look for, and return whether it is
 * "allowed". mirrorgate-policy(1) has both formats. */
bool policy_explain_text(
    struct policy_explained policy, const struct policy_question *question, FILE *out);
bool policy_explain_json(
    struct policy_explained policy, const struct policy_question *question, FILE *out);

#endif
