/*
 * The small values of mirrorgate.yaml that no other file of the project has: durations, host
 * names and paths. Numbers and sizes are those of base/value.h.
 */
#ifndef GATEWAY_CONFIG_VALUES_H
#define GATEWAY_CONFIG_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A whole number and one of ms, s, m, h, d; below 2^63 milliseconds. False, with MILLISECONDS
 * left alone, for any other text: a bare 0 needs its unit, too. */
bool config_values_duration(const char *text, uint64_t *milliseconds);

/* True for a host name (RFC 1123, 2.1): labels of letters, digits and inner hyphens, at most 63
 * bytes each and 253 together, no dot at the end. An IPv4 address has the same syntax. */
bool config_values_is_host_name(const char *text);

/* True for a host name whose last label begins with a digit: only an IPv4 address may. */
bool config_values_looks_like_ipv4(const char *text);

/* Returns NULL when TEXT can be the path of a file; else what it must be, "must ...". */
const char *config_values_path_defect(const char *text);

/* Returns a copy of PATH, with FOLDER before it when it is relative. FOLDER ends in "/" or is
 * empty. The caller frees it. Aborts when memory is exhausted. */
char *config_values_path(const char *folder, const char *path);

#endif
