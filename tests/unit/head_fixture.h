/*
 * Message heads as they arrive: every head a test shows to the scan is delivered in one piece and
 * again byte by byte, and both must come to the same result.
 *
 * Include after cmocka.h.
 */
#ifndef TESTS_UNIT_HEAD_FIXTURE_H
#define TESTS_UNIT_HEAD_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "gateway/http/http_scan.h"
#include "gateway/http/request_gate.h"

/* A literal and its length, for heads that hold a NUL. */
#define BYTES(literal) (literal), sizeof(literal) - 1

static inline void
assert_same_scan(const struct http_scan *a, const struct http_scan *b)
{
	assert_int_equal(a->position, b->position);
	assert_int_equal(a->head_len, b->head_len);
	assert_int_equal(a->fields, b->fields);
	assert_ptr_equal(a->defect, b->defect);
}

/* Delivers one byte more at a time, until there is a result. Short heads are delivered from memory
 * that ends with the last byte, so that a sanitizer sees any look ahead. */
static inline enum http_scan_result
scan_byte_by_byte(const char *bytes, size_t len, struct http_scan *scan)
{
	enum { EXACT_MAX = 1024 };
	enum http_scan_result result = HTTP_SCAN_INCOMPLETE;

	*scan = (struct http_scan){0};
	for (size_t n = 1; n <= len && result == HTTP_SCAN_INCOMPLETE; n++) {
		if (n > EXACT_MAX) {
			result = http_scan_head(scan, bytes, n);
			continue;
		}
		char *exact = malloc(n);
		assert_non_null(exact);
		memcpy(exact, bytes, n);
		result = http_scan_head(scan, exact, n);
		free(exact);
	}
	return result;
}

static inline enum http_scan_result
scanned(const char *bytes, size_t len, struct http_scan *scan)
{
	struct http_scan drip;

	*scan = (struct http_scan){0};
	enum http_scan_result result = http_scan_head(scan, bytes, len);
	assert_int_equal(scan_byte_by_byte(bytes, len, &drip), result);
	assert_same_scan(scan, &drip);
	return result;
}

/* What the gate says to the bytes of a request: the scan's refusal, or the gate's. The gate must
 * say the same to a head after which the memory ends. A decoded path lasts until the next call. */
static inline struct refusal
judged(const struct request_gate *gate, const char *bytes, size_t len, struct request *request)
{
	static char room[PATH_ROOM], other_room[PATH_ROOM];
	struct http_scan scan;
	enum http_scan_result result = scanned(bytes, len, &scan);

	assert_int_not_equal(result, HTTP_SCAN_INCOMPLETE);
	*request = (struct request){0};
	if (result != HTTP_SCAN_COMPLETE)
		return request_gate_scan_refusal(result, &scan);
	struct refusal refusal = request_gate_check(gate, bytes, scan.head_len, room, request);
	char *exact = malloc(scan.head_len);
	struct request again;
	assert_non_null(exact);
	memcpy(exact, bytes, scan.head_len);
	struct refusal second = request_gate_check(gate, exact, scan.head_len, other_room, &again);
	free(exact);
	assert_int_equal(refusal.problem, second.problem);
	assert_ptr_equal(refusal.detail, second.detail);
	return refusal;
}

#endif
