/*
 * What a policy says to a caller and to a request.
 */
#ifndef POLICY_POLICY_VERDICT_H
#define POLICY_POLICY_VERDICT_H

#include <stdbool.h>

enum policy_role {
	POLICY_ROLE_NONE, /* the policy does not know this subject */
	POLICY_ROLE_CUSTOMER,
	POLICY_ROLE_PROBE,
	POLICY_ROLE_OBSERVER,
};

enum policy_verdict {
	POLICY_ALLOW,
	POLICY_UNKNOWN_SUBJECT,
	POLICY_NOT_LICENSED,        /* no product of the caller covers the path */
	POLICY_LICENCE_EXPIRED,     /* covered, but only by licences that have ended */
	POLICY_LICENCE_NOT_STARTED, /* covered, but only by licences still to start */
	POLICY_NOT_PERMITTED,       /* the caller's role has no such operation (reserved paths) */
};

/* "allow", "unknown-subject", "not-licensed", "licence-expired", ...: the reason names of the
 * design, section 5. */
const char *policy_verdict_name(enum policy_verdict verdict);

/* The other way round; false when NAME is none of them. */
bool policy_verdict_parse(const char *name, enum policy_verdict *verdict);

#endif
