/*
 * Whether a policy file makes sense: the checks of the design, section 7.
 *
 * Private to the policy compiler.
 */
#ifndef POLICY_POLICY_CHECK_H
#define POLICY_POLICY_CHECK_H

#include "policy_file.h"

/* Adds every mistake of FILE to PROBLEMS, with its line, and fills the members of FILE marked
 * "checked", which hold good values only when nothing was added. NOW is the time of `assert`
 * entries that name none. */
void policy_check(struct policy_file *file, const char *name, const struct yaml_source *source,
    time_t now, struct problems *problems);

#endif
