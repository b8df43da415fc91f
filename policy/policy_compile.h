/*
 * policy.yaml -> policy image.
 *
 * Loads the YAML text, makes every check of the design, section 7, writes the tinycdb image,
 * opens it again and runs the policy's own `assert` entries against it.
 */
#ifndef POLICY_POLICY_COMPILE_H
#define POLICY_POLICY_COMPILE_H

#include <time.h>

#include "base/problems.h"
#include "policy.h"

/* Longest policy file in bytes. */
#define POLICY_FILE_MAX ((size_t)2 << 30)

/* Compiles the file NAME into an anonymous memfd (close-on-exec, not sealed) and returns its
 * descriptor, which the caller closes; -1, with PROBLEMS filled, when anything is wrong. NOW is
 * the time at which `assert` entries are decided. When NAME holds a compiled image instead of
 * YAML, it is checked and copied. */
int policy_compile(const char *name, time_t now, struct problems *problems);

struct policy_lines;

/* The same, and *LINES tells where in the file things stand; the caller frees it. NULL when nothing
 * was compiled, or NAME holds an image: that has no lines. */
int policy_compile_with_lines(
    const char *name, time_t now, struct problems *problems, struct policy_lines **lines);

/* The same without lines for text in memory; NAME is for messages. */
int policy_compile_text(
    const char *name, const char *text, size_t len, time_t now, struct problems *problems);

#endif
