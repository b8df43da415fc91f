/*
 * What a caller wants, and whether it may: the routes of the design, section 5, in one place.
 */
#ifndef GATEWAY_OPERATION_H
#define GATEWAY_OPERATION_H

#include <time.h>

#include "gateway/http/problem.h"
#include "gateway/http/request_gate.h"
#include "policy/policy.h"

enum operation {
	OPERATION_NONE, /* refused before the route was known */
	OPERATION_DOWNLOAD,
	OPERATION_SNAPSHOT,
	OPERATION_LICENCE,
	OPERATION_CRL,
	OPERATION_HEALTHZ,
	OPERATION_READYZ,
	OPERATION_STATUS, /* HTML */
	OPERATION_STATUS_JSON,
	OPERATION_METRICS,
};

enum { OPERATION_COUNT = OPERATION_METRICS + 1 };

/* The word for the access log, NULL for OPERATION_NONE. */
const char *operation_name(enum operation self);

/* The methods a path takes, as the Allow field lists them (RFC 9110, 10.2.1). */
const char *operation_allowed_methods(struct http_span path);

/* For PUT /snapshots/NAME: NAME, else a span of length 0. */
struct http_span operation_snapshot_name(struct http_span path);

/* Decides REQUEST of CALLER at NOW. *OPERATION is set as far as it is known, also on refusal. */
struct refusal operation_decide(const struct policy *policy, const struct policy_caller *caller,
    const struct request *request, time_t now, enum operation *operation);

/* Decides a running download anew. */
enum problem operation_redecide_download(const struct policy *policy,
    const struct policy_caller *caller, const char *path, size_t path_len, time_t now);

#endif
