/*
 * A worker: one process, one event loop, one core.
 */
#ifndef GATEWAY_WORKER_H
#define GATEWAY_WORKER_H

#include "config.h"
#include "generation.h"
#include "integrity_marks.h"
#include "metrics.h"
#include "quota.h"
#include "sandbox.h"

struct worker_options {
	const struct config *config;
	unsigned index;
	const int *sockets; /* one for each of config->listens */
	int channel;        /* to the supervisor */
	int access_log;
	struct generation *generation; /* the one in force; the worker closes its files */
	const struct sandbox_user *user;
	struct metrics *metrics;
	struct quota *quota;
	struct integrity_marks *marks;
};

/* Serves until it is told to drain or the supervisor is gone; returns the exit status. Call it in
 * a forked process that holds nothing of the supervisor's event loop. */
int worker_run(const struct worker_options *options);

#endif
