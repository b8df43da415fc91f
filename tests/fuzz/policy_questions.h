/*
 * Policies for the fuzz targets, and every question that the gateway asks them.
 */
#ifndef TESTS_FUZZ_POLICY_QUESTIONS_H
#define TESTS_FUZZ_POLICY_QUESTIONS_H

#include <stddef.h>
#include <time.h>

#include "policy/policy.h"

/* A time within the licences of the seeds. */
enum { POLICY_QUESTIONS_NOW = 1780272000 }; /* 2026-06-01 */

/* A new memfd with these bytes, which the caller closes. */
int policy_questions_memfd(const void *bytes, size_t len);

/* The policy in TEXT, which must be without mistakes. */
struct policy *policy_questions_compile(const char *text);

/* Asks POLICY everything about several callers. The answers of a hostile image may be wrong, but
 * they must be answers: texts that end, verdicts that exist, and never a reserved or malformed
 * path. */
void policy_questions_ask(const struct policy *policy);

#endif
