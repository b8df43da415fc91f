/*
 * Answers that the gateway gives itself: problems, the licence, health, status, the receipt.
 */
#ifndef GATEWAY_REPLY_H
#define GATEWAY_REPLY_H

#include <stdbool.h>
#include <time.h>

#include "base/buffer.h"
#include "gateway/http/problem.h"
#include "gateway/node/services.h"
#include "snapshot.h"

enum { REPLY_EXTRA_MAX = 384 };

/* One answer before it is written out. Zero it first; reply_fini() releases the body. */
struct reply {
	unsigned status;
	enum problem problem; /* PROBLEM_NONE: not a refusal */
	const char *content_type;
	char extra[REPLY_EXTRA_MAX]; /* further header lines, each with CR LF */
	struct buffer body;
};

/* What every answer's head carries. */
struct reply_frame {
	const char *request_id;
	time_t now;
	bool closes;    /* say Connection: close */
	bool head_only; /* answers HEAD: the length, but no body */
};

/* RFC 9457 problem details. Adds Retry-After (RETRY_AFTER seconds) when that is not 0. */
void reply_problem(struct reply *self, enum problem problem, const char *detail,
    const char *request_id, unsigned retry_after);
/* Adds an Allow field to a 405. */
void reply_allow(struct reply *self, const char *methods);

void reply_licence(struct reply *self, const struct policy *policy,
    const struct policy_caller *caller, time_t now);
void reply_healthz(struct reply *self, const struct services *services, time_t now);
void reply_readyz(struct reply *self, const struct services *services, time_t now);
void reply_status(struct reply *self, const struct services *services, time_t now);
void reply_status_json(struct reply *self, const struct services *services, time_t now);
void reply_metrics(struct reply *self, const struct services *services, time_t now);
void reply_receipt(struct reply *self, const char *customer, const char *name,
    const struct snapshot *snapshot, const char *path, const char *request_id);

/* Appends the status line and the fields common to all answers, without the empty line. */
void reply_print_head(struct buffer *out, unsigned status, const struct reply_frame *frame);

/* Appends the whole answer. */
void reply_print(const struct reply *self, const struct reply_frame *frame, struct buffer *out);

void reply_fini(struct reply *self);

#endif
