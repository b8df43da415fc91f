/*
 * A quota of three workers for each test. Include after cmocka.h.
 *
 * Rates run on the real clock. A test never assumes how long it took: it counts what it got and
 * compares that with the time that has passed.
 */
#ifndef TESTS_QUOTA_FIXTURE_H
#define TESTS_QUOTA_FIXTURE_H

#include <time.h>

#include "gateway/node/quota.h"

#define DEADLINE 60.0 /* seconds, for what must happen at some time */

enum { WORKERS = 3 };

static struct quota *quota;

static inline int
make_quota(void **state)
{
	(void)state;
	quota = quota_new(WORKERS);
	return quota != NULL ? 0 : -1;
}

static inline int
free_quota(void **state)
{
	(void)state;
	quota_free(quota);
	return 0;
}

static inline double
clock_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static inline struct quota_key
key(const char *text)
{
	return quota_text_key(quota, text);
}

#define QUOTA_TEST(name) cmocka_unit_test_setup_teardown(name, make_quota, free_quota)

#endif
