/*
 * Whether an image says only what a policy file could have said.
 *
 * Private to the policy library. policy_open() makes sure that an image is complete and that no
 * answer reads outside it; that is enough for an image just compiled. One that comes from a file
 * could be forged: its checksum is no signature.
 */
#ifndef POLICY_POLICY_VERIFY_H
#define POLICY_POLICY_VERIFY_H

#include "policy.h"

/* Every record must be in its place and be the one that a look-up finds; ids, subjects, paths,
 * dates and rules must be such as policy_check() lets through. Returns NULL, or a static text that
 * says what is wrong. */
const char *policy_verify(const struct policy *policy);

#endif
