/*
 * The policy of a generation: what it asks of the gate, and what is said of it in the log.
 */
#ifndef GATEWAY_GENERATION_POLICY_H
#define GATEWAY_GENERATION_POLICY_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/problems.h"
#include "gateway/config/config.h"
#include "generation.h"
#include "policy/policy_diff.h"

/* The policy of SELF, which was built, and so opens; the caller's. */
struct policy *generation_policy_open(const struct generation *self, const struct config *config);
/* Adds a problem for each thing that POLICY asks for and a gate with CONFIG does not do. */
void generation_policy_check(
    const struct policy *policy, const struct config *config, struct problems *problems);

/* Says what the policy of NEW changes against that of OLD, both built by generation_build():
 * "serial 12 -> 13: customers +1 -0, ..." or "serial 12 unchanged". Takes time in proportion to
 * the policies' size, a third of a second for 100,000 customers. */
enum { GENERATION_CHANGE_MAX = POLICY_DIFF_SUMMARY_MAX + 64 };
void generation_policy_change(const struct generation *old, const struct generation *new,
    const struct config *config, char text[GENERATION_CHANGE_MAX]);

/* True when the policy leaves something open that an operator should know of; TEXT says it. */
bool generation_policy_warning(
    const struct generation *self, const struct config *config, char text[GENERATION_CHANGE_MAX]);

/* The same for the client CAs of SELF, when there are several of different names and the policy
 * does not say which of them certifies whom: fills TEXT, which the caller frees. */
bool generation_policy_issuer_warning(
    const struct generation *self, const struct config *config, struct buffer *text);

#endif
