/*
 * The one form a path may have (design, section 4).
 *
 * A path is "/" or a sequence of "/" segment, where a segment is one or more of A-Z a-z 0-9,
 * - . _ ~ + @ = : , ! $ & ' ( ), space # [ ] ^ { } and characters outside ASCII, in UTF-8 and
 * normalisation form C. Empty segments, "." and ".." segments, segments that end in a space,
 * ";" "*" "\" "?" "%" and every other byte make it non-canonical. Nothing is normalised: policies,
 * catalogues and logs hold this form, and path_spelling.h says how it is written in a request.
 */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Longest path in bytes that is ever canonical. */
enum { PATH_MAX_BYTES = 4096 };

/* Returns NULL when the LEN bytes at PATH are one canonical path, with or without a trailing
 * slash; else a static text that says what is wrong, for a log line or a problem. */
const char *path_defect(const char *path, size_t len);

/* True when PATH is, or lies below, a route the gateway keeps for itself: /snapshots, /licence,
 * /crl, /healthz, /readyz, /status, /status.json, /metrics. Byte-exact; segments, not string
 * prefixes. */
bool path_is_reserved(const char *path, size_t len);

/* True when PATH falls under RULE: RULE ends in "/" and is a prefix of PATH, or equals PATH. */
bool path_matches(const char *rule, size_t rule_len, const char *path, size_t len);

/* True for a snapshot or system name: [A-Za-z0-9][A-Za-z0-9._-]{0,127}. */
bool path_is_snapshot_name(const char *name, size_t len);

#endif
