/* Routes and permissions. Every path leads to exactly one operation, and every operation asks
 * for one role; what is not listed is not there. */
#include "operation.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "base/path.h"

static const char snapshots[] = "/snapshots/";

static const struct route {
	const char *path;
	enum operation operation;
	enum policy_role role; /* POLICY_ROLE_NONE: whoever is known */
} routes[] = {
    {"/licence", OPERATION_LICENCE, POLICY_ROLE_CUSTOMER},
    {"/crl", OPERATION_CRL, POLICY_ROLE_NONE},
    {"/healthz", OPERATION_HEALTHZ, POLICY_ROLE_PROBE},
    {"/readyz", OPERATION_READYZ, POLICY_ROLE_PROBE},
    {"/status", OPERATION_STATUS, POLICY_ROLE_OBSERVER},
    {"/status.json", OPERATION_STATUS_JSON, POLICY_ROLE_OBSERVER},
    {"/metrics", OPERATION_METRICS, POLICY_ROLE_OBSERVER},
};

const char *
operation_name(enum operation self)
{
	static const char *const names[] = {NULL, "download", "snapshot", "licence", "crl",
	    "healthz", "readyz", "status", "status.json", "metrics"};
	return names[self];
}

static bool
is_below_snapshots(struct http_span path)
{
	return path.len >= sizeof snapshots - 1 &&
	       memcmp(path.bytes, snapshots, sizeof snapshots - 1) == 0;
}

const char *
operation_allowed_methods(struct http_span path)
{
	return is_below_snapshots(path) ? "PUT" : "GET, HEAD";
}

struct http_span
operation_snapshot_name(struct http_span path)
{
	struct http_span name = {path.bytes, 0};

	if (!is_below_snapshots(path))
		return name;
	name.bytes = path.bytes + sizeof snapshots - 1;
	name.len = path.len - (sizeof snapshots - 1);
	if (!path_is_snapshot_name(name.bytes, name.len))
		name.len = 0;
	return name;
}

static enum problem
problem_of(enum policy_verdict verdict)
{
	switch (verdict) {
	case POLICY_ALLOW:
		return PROBLEM_NONE;
	case POLICY_UNKNOWN_SUBJECT:
		return PROBLEM_UNKNOWN_SUBJECT;
	case POLICY_NOT_LICENSED:
		return PROBLEM_NOT_LICENSED;
	case POLICY_LICENCE_EXPIRED:
		return PROBLEM_LICENCE_EXPIRED;
	case POLICY_LICENCE_NOT_STARTED:
		return PROBLEM_LICENCE_NOT_STARTED;
	case POLICY_NOT_PERMITTED:
		return PROBLEM_NOT_PERMITTED;
	}
	return PROBLEM_NOT_PERMITTED;
}

static struct refusal
refuse(enum problem problem, const char *detail)
{
	return (struct refusal){problem, detail, false};
}

static struct refusal
decide_snapshot(
    const struct policy *policy, const struct policy_caller *caller, const struct request *request)
{
	if (caller->role != POLICY_ROLE_CUSTOMER)
		return refuse(PROBLEM_NOT_PERMITTED, "Only customers may upload snapshots");
	if (request->method != METHOD_PUT)
		return refuse(PROBLEM_METHOD_NOT_ALLOWED, "Snapshots can only be uploaded");
	struct http_span name = operation_snapshot_name(request->path);
	if (name.len == 0)
		return refuse(PROBLEM_MALFORMED_PATH,
		    "The path is not /snapshots/NAME with a valid snapshot name");
	struct policy_decision decision =
	    policy_decide_snapshot(policy, caller, name.bytes, name.len);
	return refuse(problem_of(decision.verdict), "The policy does not allow this upload");
}

static struct refusal
decide_route(
    const struct route *route, const struct policy_caller *caller, const struct request *request)
{
	if (route->role != POLICY_ROLE_NONE && caller->role != route->role)
		return refuse(PROBLEM_NOT_PERMITTED, "This route is not for this caller");
	if (request->method != METHOD_GET && request->method != METHOD_HEAD)
		return refuse(PROBLEM_METHOD_NOT_ALLOWED, "This route can only be read");
	return refuse(PROBLEM_NONE, NULL);
}

static const char *
download_detail(enum problem problem)
{
	switch (problem) {
	case PROBLEM_LICENCE_EXPIRED:
		return "The licence for this path has ended";
	case PROBLEM_LICENCE_NOT_STARTED:
		return "The licence for this path has not started yet";
	case PROBLEM_NOT_PERMITTED:
		return "Only customers may download";
	default:
		return "No licence of this customer covers this path";
	}
}

enum problem
operation_redecide_download(const struct policy *policy, const struct policy_caller *caller,
    const char *path, size_t path_len, time_t now)
{
	return problem_of(policy_decide_download(policy, caller, path, path_len, now).verdict);
}

struct refusal
operation_decide(const struct policy *policy, const struct policy_caller *caller,
    const struct request *request, time_t now, enum operation *operation)
{
	struct http_span path = request->path;

	*operation = OPERATION_NONE;
	if (caller->role == POLICY_ROLE_NONE)
		return (struct refusal){PROBLEM_UNKNOWN_SUBJECT,
		    "The certificate's subject is not in the policy", true};
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		if (!http_span_is(path, routes[i].path))
			continue;
		*operation = routes[i].operation;
		return decide_route(&routes[i], caller, request);
	}
	if (is_below_snapshots(path)) {
		*operation = OPERATION_SNAPSHOT;
		return decide_snapshot(policy, caller, request);
	}
	*operation = OPERATION_DOWNLOAD;
	if (caller->role != POLICY_ROLE_CUSTOMER)
		return refuse(PROBLEM_NOT_PERMITTED, download_detail(PROBLEM_NOT_PERMITTED));
	if (request->method == METHOD_PUT)
		return refuse(PROBLEM_METHOD_NOT_ALLOWED, "Artifacts can only be read");
	enum problem problem =
	    operation_redecide_download(policy, caller, path.bytes, path.len, now);
	return refuse(problem, download_detail(problem));
}
