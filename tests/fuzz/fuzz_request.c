/*
 * A client's bytes on their way to a decision: scan, strict gate, operation.
 *
 * The input is what a connection sent. The hard part is to judge the gate without repeating it:
 * what it lets through is held against the raw bytes, by rules that are simple because they may
 * be cruder than the gate's own.
 */
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "fuzz.h"
#include "gateway/request/operation.h"
#include "policy_questions.h"

static const char policy_text[] =
    "serial: 1\n"
    "products:\n"
    "  - {id: core, paths: [/core/, /keys.asc], except: [/core/internal/]}\n"
    "  - {id: old, paths: [/old/]}\n"
    "customers:\n"
    "  - id: acme\n"
    "    subjects: [CN=acme]\n"
    "    products: [{id: core}, {id: old, until: 2025-12-31}]\n"
    "probes: [CN=probe]\n"
    "observers: [CN=ops]\n";

static char server_name[] = "example.com";
static char *const server_names[] = {server_name};
static const struct request_gate any_host = {NULL, 0}, one_host = {server_names, 1};

/* One head, and how many fields the scan saw. */
struct head {
	const char *bytes;
	size_t len;
	unsigned fields;
};

static bool
begins_with(struct http_span span, const char *text)
{
	return span.len >= strlen(text) && memcmp(span.bytes, text, strlen(text)) == 0;
}

/* How many lines begin with TEXT, which begins with CR LF. */
static size_t
count_fields(const struct head *head, const char *text)
{
	size_t count = 0;
	for (size_t i = 0; i < head->len; i++)
		count += fuzz_holds(head->bytes + i, strnlen(text, head->len - i), text);
	return count;
}

/* A complete head is lines of printable ASCII, each ended by CR LF, the last of them empty. */
static void
require_clean_head(const struct head *head)
{
	size_t lines = 0;

	FUZZ_REQUIRE(head->len >= 4 && head->len <= HTTP_HEAD_MAX);
	FUZZ_REQUIRE(memcmp(head->bytes + head->len - 4, "\r\n\r\n", 4) == 0);
	for (size_t i = 0; i < head->len; i++) {
		if (head->bytes[i] == '\r') {
			FUZZ_REQUIRE(i + 1 < head->len && head->bytes[i + 1] == '\n');
			lines++;
			i++;
		} else {
			FUZZ_REQUIRE(fuzz_is_plain(head->bytes + i, 1));
		}
	}
	FUZZ_REQUIRE(lines == head->fields + 2 && head->fields <= HTTP_FIELDS_MAX);
}

/* What holds for every request whose connection goes on: where it ends is beyond doubt. */
static void
require_framing(const struct head *head, const struct request *request)
{
	FUZZ_REQUIRE(!fuzz_holds(head->bytes, head->len, "\r\nTransfer-Encoding:"));
	FUZZ_REQUIRE(!fuzz_holds(head->bytes, head->len, "\r\nUpgrade:"));
	FUZZ_REQUIRE(count_fields(head, "\r\nHost:") <= 1);
	FUZZ_REQUIRE(
	    count_fields(head, "\r\nContent-Length:") == (request->has_content_length ? 1 : 0));
	FUZZ_REQUIRE(request->has_content_length || request->content_length == 0);
	FUZZ_REQUIRE(!request->expects_continue || request->content_length > 0);
}

/* The client's own spelling of method and path, decoded once, is what was understood. */
static void
require_request_line(const struct head *head, const struct request *request)
{
	struct http_span path = request->path, method = request->method_text;

	FUZZ_REQUIRE(method.bytes == head->bytes);
	const char *target = method.bytes + method.len + 1;
	size_t target_len =
	    (size_t)((const char *)memchr(target, ' ', head->len - method.len - 1) - target);
	char decoded[PATH_ROOM];
	size_t decoded_len = 0;
	FUZZ_REQUIRE(memcmp(target + target_len, " HTTP/1.", 8) == 0);
	FUZZ_REQUIRE(path_spelling_decode(target, target_len, decoded, &decoded_len) == NULL);
	FUZZ_REQUIRE(path.len == decoded_len && memcmp(path.bytes, decoded, decoded_len) == 0);
	FUZZ_REQUIRE(path_defect(path.bytes, path.len) == NULL);
}

static void
require_rewritable(const struct head *head, const struct request *request)
{
	const struct http_span spans[] = {request->if_range, request->if_none_match,
	    request->content_type, request->content_digest};

	for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
		if (spans[i].bytes == NULL)
			continue;
		FUZZ_REQUIRE(spans[i].bytes > head->bytes);
		FUZZ_REQUIRE(spans[i].bytes + spans[i].len < head->bytes + head->len);
		FUZZ_REQUIRE(fuzz_is_plain(spans[i].bytes, spans[i].len));
	}
	FUZZ_REQUIRE(
	    request->range.form != RANGE_FROM_TO || request->range.first <= request->range.last);
}

static void
require_operation(
    enum operation operation, const struct policy_caller *caller, const struct request *request)
{
	bool reads = request->method == METHOD_GET || request->method == METHOD_HEAD;
	struct http_span path = request->path;

	FUZZ_REQUIRE(operation_name(operation) != NULL);
	FUZZ_REQUIRE(operation == OPERATION_SNAPSHOT ? request->method == METHOD_PUT : reads);
	switch (operation) {
	case OPERATION_DOWNLOAD:
		FUZZ_REQUIRE(caller->role == POLICY_ROLE_CUSTOMER);
		FUZZ_REQUIRE(!path_is_reserved(path.bytes, path.len));
		FUZZ_REQUIRE(begins_with(path, "/core/") || http_span_is(path, "/keys.asc"));
		FUZZ_REQUIRE(!begins_with(path, "/core/internal/"));
		break;
	case OPERATION_SNAPSHOT:
		FUZZ_REQUIRE(caller->role == POLICY_ROLE_CUSTOMER);
		FUZZ_REQUIRE(begins_with(path, "/snapshots/"));
		FUZZ_REQUIRE(memchr(path.bytes + 11, '/', path.len - 11) == NULL);
		break;
	case OPERATION_LICENCE:
		FUZZ_REQUIRE(caller->role == POLICY_ROLE_CUSTOMER);
		break;
	case OPERATION_HEALTHZ:
	case OPERATION_READYZ:
		FUZZ_REQUIRE(caller->role == POLICY_ROLE_PROBE);
		break;
	default:
		FUZZ_REQUIRE(caller->role == POLICY_ROLE_OBSERVER);
		break;
	}
}

static void
decide(const struct request *request)
{
	static const char *const subjects[] = {"CN=acme", "CN=probe", "CN=ops", "CN=nobody"};
	static struct policy *policy;

	if (policy == NULL)
		policy = policy_questions_compile(policy_text);
	for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
		struct policy_caller caller = policy_find_caller(policy, subjects[i]);
		enum operation operation;
		struct refusal refusal =
		    operation_decide(policy, &caller, request, POLICY_QUESTIONS_NOW, &operation);
		if (refusal.problem == PROBLEM_NONE)
			require_operation(operation, &caller, request);
		else
			FUZZ_REQUIRE(refusal.detail != NULL);
	}
}

static struct refusal
judge(const struct request_gate *gate, const struct head *head, struct request *request)
{
	static char room[PATH_ROOM];
	struct refusal refusal = request_gate_check(gate, head->bytes, head->len, room, request);

	if (refusal.problem != PROBLEM_NONE) {
		FUZZ_REQUIRE(refusal.detail != NULL);
		FUZZ_REQUIRE(problem_status(refusal.problem) >= 400);
	}
	if (!refusal.closes)
		require_framing(head, request);
	if (refusal.problem != PROBLEM_NONE)
		return refusal;
	FUZZ_REQUIRE(request->method != METHOD_OTHER);
	FUZZ_REQUIRE(request->method == METHOD_PUT || request->content_length == 0);
	require_request_line(head, request);
	require_rewritable(head, request);
	decide(request);
	return refusal;
}

static void
judge_head(const struct head *head)
{
	struct request request, again;

	require_clean_head(head);
	struct refusal any = judge(&any_host, head, &request);
	struct refusal one = judge(&one_host, head, &again);
	FUZZ_REQUIRE(any.problem == one.problem || one.problem == PROBLEM_MISDIRECTED);
}

/* Byte by byte; the result must be that of the whole. */
static void
require_same_by_drops(
    const char *bytes, size_t len, const struct http_scan *whole, enum http_scan_result result)
{
	enum http_scan_result drop = HTTP_SCAN_INCOMPLETE;
	struct http_scan scan = {0};

	for (size_t n = 1; n <= len && drop == HTTP_SCAN_INCOMPLETE; n++)
		drop = http_scan_head(&scan, bytes, n);
	FUZZ_REQUIRE(drop == result);
	FUZZ_REQUIRE(scan.head_len == whole->head_len && scan.defect == whole->defect);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;
	struct http_scan scan = {0};
	enum http_scan_result result = http_scan_head(&scan, bytes, size);

	require_same_by_drops(bytes, size, &scan, result);
	if (result == HTTP_SCAN_COMPLETE) {
		char *copy = fuzz_copy(bytes, scan.head_len);
		judge_head(&(struct head){copy, scan.head_len, scan.fields});
		free(copy);
	} else if (result != HTTP_SCAN_INCOMPLETE) {
		struct refusal refusal = request_gate_scan_refusal(result, &scan);
		FUZZ_REQUIRE(refusal.closes && refusal.detail != NULL);
	}
	return 0;
}
