/*
 * The highest policy serial that this node has seen, kept in state_dir across restarts.
 *
 * The file `policy-serial` holds the serial and the SHA-256 of the policy's image, so that the
 * same policy as YAML and as a compiled image are one. Whoever can replace the policy file can
 * then not go back to an older one by waiting for a restart.
 */
#ifndef GATEWAY_POLICY_STATE_H
#define GATEWAY_POLICY_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/problems.h"
#include "crypto/digest.h"

/* A policy, as far as it is remembered. */
struct policy_state {
	uint64_t serial;
	char digest[DIGEST_SHA256_SIZE];
};

/* Adds a problem when the policy FILE, which is CURRENT, may not follow what DIR remembers, or that
 * cannot be read. A DIR without a file remembers nothing. Writes nothing. */
void policy_state_check(const char *dir, const char *file, const struct policy_state *current,
    struct problems *problems);

/* Makes DIR remember CURRENT, which was checked. On the disk when it returns true; false, with a
 * problem added, leaves what was remembered. Writes nothing when CURRENT is what DIR remembers: a
 * full disk is no reason to refuse new certificates. */
bool policy_state_write(
    const char *dir, const struct policy_state *current, struct problems *problems);

#endif
