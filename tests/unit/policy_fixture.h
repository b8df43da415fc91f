/*
 * Compiling policy texts in tests.
 *
 * Include after cmocka.h. NOW in the tests is a fixed time, so that no test expires.
 */
#ifndef TESTS_POLICY_FIXTURE_H
#define TESTS_POLICY_FIXTURE_H

#include <unistd.h>

#include "base/value.h"
#include "policy/policy.h"
#include "policy/policy_compile.h"

static inline time_t
at(const char *text)
{
	time_t seconds = 0;
	assert_true(value_time(text, &seconds));
	return seconds;
}

/* Compiles TEXT, which must be without problems, into a memfd that the caller closes. */
static inline int
compiled(const char *text)
{
	struct problems *problems = problems_new();
	int fd = policy_compile_text("p", text, strlen(text), at("2026-06-01"), problems);
	problems_print(problems, stderr);
	assert_true(fd >= 0);
	assert_int_equal(problems_count(problems), 0);
	problems_free(problems);
	return fd;
}

static inline struct policy *
opened(const char *text)
{
	char error[POLICY_ERROR_MAX] = "";
	int fd = compiled(text);
	struct policy *policy = policy_open(fd, "p", error);
	if (policy == NULL)
		fail_msg("%s", error);
	close(fd);
	return policy;
}

#endif
