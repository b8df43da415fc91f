/*
 * The names of verdicts, as manuals, logs and tests of a policy spell them.
 */
#include "policy_verdict.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

static const char *const verdict_names[] = {
    [POLICY_ALLOW] = "allow",
    [POLICY_UNKNOWN_SUBJECT] = "unknown-subject",
    [POLICY_NOT_LICENSED] = "not-licensed",
    [POLICY_LICENCE_EXPIRED] = "licence-expired",
    [POLICY_LICENCE_NOT_STARTED] = "licence-not-started",
    [POLICY_NOT_PERMITTED] = "not-permitted",
};

enum { VERDICT_COUNT = sizeof verdict_names / sizeof verdict_names[0] };

const char *
policy_verdict_name(enum policy_verdict verdict)
{
	assert((size_t)verdict < VERDICT_COUNT);
	return verdict_names[verdict];
}

bool
policy_verdict_parse(const char *name, enum policy_verdict *verdict)
{
	for (size_t i = 0; i < VERDICT_COUNT; i++) {
		if (strcmp(verdict_names[i], name) == 0) {
			*verdict = (enum policy_verdict)i;
			return true;
		}
	}
	return false;
}
