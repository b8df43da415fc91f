/*
 * Conditional and range requests for one file: RFC 9110 sections 13 and 14.
 */
#ifndef STUB_CONDITIONS_H
#define STUB_CONDITIONS_H

#include <stdint.h>

struct request;
struct stored_file;

enum condition {
	CONDITION_SERVE,
	CONDITION_NOT_MODIFIED, /* 304 */
	CONDITION_FAILED        /* 412 */
};

enum range {
	RANGE_WHOLE,        /* none asked for, several, malformed, or If-Range says no */
	RANGE_PART,         /* 206 */
	RANGE_UNSATISFIABLE /* 416 */
};

/* The preconditions of a GET or HEAD, in the order of RFC 9110 section 13.2.2. */
enum condition conditions_check(const struct request *request, const struct stored_file *file);

/* The single range of a GET; `first` and `length` are set for RANGE_PART only. */
enum range conditions_range(const struct request *request, const struct stored_file *file,
    uint64_t *first, uint64_t *length);

#endif
