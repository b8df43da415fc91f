/*
 * A worker: one process, one event loop, one core.
 */
#ifndef GATEWAY_WORKER_H
#define GATEWAY_WORKER_H

#include "gateway/generation/generation.h"
#include "gateway/node/history.h"
#include "gateway/node/integrity_marks.h"
#include "gateway/node/metrics.h"
#include "gateway/node/pulse.h"
#include "gateway/node/quota.h"
#include "sandbox.h"
#include "sockets.h"

struct worker_options {
	unsigned index;
	const struct sockets_share *sockets;
	int channel; /* to the supervisor */
	int keys;    /* to the key holder; becomes the worker's; -1: the channel brings one */
	int access_log;
	struct log_turn *log_turn;
	struct generation *generation; /* the one in force; the worker closes its files */
	const struct sandbox_user *user;
	struct metrics *metrics;
	const struct history *history;
	struct quota *quota;
	struct integrity_marks *marks;
	struct pulse *pulse;
	bool holds; /* accepts nothing before it is told to */
};

/* Serves until it is told to drain or the supervisor is gone; returns the exit status. Call it in
 * a forked process that holds nothing of the supervisor's event loop. */
int worker_run(const struct worker_options *options);

#endif
