/* From status and problem document to one sentence. Which failures pass is decided by the status
 * alone: it is what every proxy and balancer on the way can say, too. */
#include "answer.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define REASON_PREFIX "urn:mirrorgate:"

enum { EXPLANATION_MAX = 512 };

static enum failure_kind
kind_of(long status, const char *reason)
{
	if (strcmp(reason, "certificate-revoked") == 0)
		return FAILURE_CERTIFICATE;
	if (status == 404 || status == 410)
		return FAILURE_NOT_FOUND;
	if (status >= 400 && status < 500 && status != 408)
		return FAILURE_REFUSED;
	return status >= 500 || status == 408 ? FAILURE_UNREACHABLE : FAILURE_ANSWER;
}

static bool
does_pass(long status)
{
	return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

static const char *
member(const json_t *problem, const char *key)
{
	const char *text = json_string_value(json_object_get(problem, key));
	return text != NULL ? text : "";
}

bool
answer_judge(const char *server, const char *path, long status, const char *body, size_t len,
    struct failure *failure)
{
	json_t *problem = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
	const char *reason = member(problem, "type"), *detail = member(problem, "detail");
	const char *id = member(problem, "request_id");
	char explanation[EXPLANATION_MAX] = "";

	if (strncmp(reason, REASON_PREFIX, sizeof REASON_PREFIX - 1) == 0) {
		reason += sizeof REASON_PREFIX - 1;
		snprintf(
		    explanation, sizeof explanation, ": %s (%s; request %s)", reason, detail, id);
	} else if (status >= 300 && status < 400) {
		snprintf(explanation, sizeof explanation, ": redirects are not followed");
	}
	failure_set(failure, kind_of(status, reason), "%s answers %ld to %s%s", server, status,
	    path, explanation);
	failure->passes = does_pass(status);
	failure->status = status;
	json_decref(problem);
	return false;
}
