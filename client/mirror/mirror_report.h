/* What a mirror has done: for people, a line a product; for programs, one JSON object. */
#ifndef CLIENT_MIRROR_REPORT_H
#define CLIENT_MIRROR_REPORT_H

#include "base/buffer.h"
#include "client/common/failure.h"
#include "client/fetch/download.h"

/* What became of a version, and its word in both forms. */
#define MIRROR_OUTCOMES(X)                                                                   \
	X(MIRROR_ADDED, "added")                                                             \
	X(MIRROR_RENEWED, "renewed") /* the same files under a new catalogue */              \
	X(MIRROR_REPAIRED, "repaired")                                                       \
	X(MIRROR_KEPT, "kept")                                                               \
	X(MIRROR_LEAVING, "leaving")       /* not wanted any more: its grace time goes by */ \
	X(MIRROR_UNLICENSED, "unlicensed") /* no licence names it any more: it stays */      \
	X(MIRROR_DELETED, "deleted")

enum mirror_outcome {
#define MIRROR_OUTCOME_ENUM(outcome, word) outcome,
	MIRROR_OUTCOMES(MIRROR_OUTCOME_ENUM)
#undef MIRROR_OUTCOME_ENUM
	    MIRROR_OUTCOME_COUNT
};

struct mirror_report;

struct mirror_report *mirror_report_new(void);
void mirror_report_free(struct mirror_report *self);

/* From now on it is about PRODUCT; what was said of it before is added to. */
void mirror_report_begin(struct mirror_report *self, const char *product);
void mirror_report_add(
    struct mirror_report *self, enum mirror_outcome outcome, const char *version);

/* Notes down, and tells the user, that VERSION (NULL: the product as a whole) failed. */
void mirror_report_fail(
    struct mirror_report *self, const char *version, const struct failure *failure);

/* Where the product's downloads are counted. */
struct download_count *mirror_report_count(struct mirror_report *self);

/* The first failure of them all; NULL when there was none. */
const struct failure *mirror_report_failure(const struct mirror_report *self);

/* Notes for the user; and JSON, with the members of FAILURE unless that is NULL. */
void mirror_report_print(const struct mirror_report *self);
void mirror_report_print_json(
    const struct mirror_report *self, const struct failure *failure, struct buffer *out);

#endif
