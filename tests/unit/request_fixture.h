/*
 * Requests shown to the strict gate, and what it must say to them.
 *
 * Include after cmocka.h.
 */
#ifndef TESTS_UNIT_REQUEST_FIXTURE_H
#define TESTS_UNIT_REQUEST_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include "gateway/http/request_gate.h"
#include "head_fixture.h"

#define HOST "Host: example.com\r\n"
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

enum { FIELD_MAX = 2048 };

static const struct request_gate any_host = {NULL, 0};
/* What the gate made of the last request. */
static struct request request;

static inline struct refusal
judge(const char *text)
{
	return judged(&any_host, text, strlen(text), &request);
}

/* Judges METHOD /a HTTP/1.1 with FIELDS, which are complete lines. */
static inline struct refusal
judge_fields(const char *method, const char *fields)
{
	static char text[FIELD_MAX];
	int len = snprintf(text, sizeof text, "%s /a HTTP/1.1\r\n%s\r\n", method, fields);

	assert_true(len < FIELD_MAX);
	return judge(text);
}

static inline struct refusal
judge_line(const char *line)
{
	static char text[FIELD_MAX];

	(void)snprintf(text, sizeof text, "%s\r\n" HOST "\r\n", line);
	return judge(text);
}

static inline void
assert_accepted(struct refusal refusal, const char *text)
{
	if (refusal.problem != PROBLEM_NONE)
		fail_msg("refused: %s: %s", text, refusal.detail);
}

static inline void
assert_refusal(struct refusal refusal, enum problem problem, bool closes, const char *text)
{
	if (refusal.problem != problem || refusal.closes != closes)
		fail_msg("%s: is %s, closes %d: %s", text, problem_name(refusal.problem),
		    refusal.closes, refusal.detail);
	assert_true(refusal.detail != NULL || problem == PROBLEM_NONE);
}

static inline void
assert_malformed(struct refusal refusal, const char *text)
{
	assert_refusal(refusal, PROBLEM_MALFORMED_REQUEST, true, text);
}

#endif
