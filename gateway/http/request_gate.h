/*
 * The strict gate: what a client's request must be before anybody acts on it (design, section 4).
 *
 * Refuse, never repair. The gate takes a head that http_scan_head() accepted and turns it into a
 * struct request that holds decisions, not text to be copied: method, canonical path, body
 * length, and the few fields that are rewritten for the store. Every framing doubt closes.
 */
#ifndef GATEWAY_REQUEST_GATE_H
#define GATEWAY_REQUEST_GATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/path_spelling.h"
#include "http_scan.h"
#include "problem.h"
#include "request.h"

/* What the gate must know of the configuration. */
struct request_gate {
	char *const *server_names; /* lower case; with count 0 any valid Host will do */
	size_t server_name_count;
};

/* The refusal for a scan result that is neither INCOMPLETE nor COMPLETE. */
struct refusal request_gate_scan_refusal(
    enum http_scan_result result, const struct http_scan *scan);

/* Checks the LEN bytes of a scanned head and fills REQUEST, whose spans point into BYTES; its path,
 * which is the decoded one unless the problem is PROBLEM_MALFORMED_PATH, may point into ROOM. The
 * refusal's problem is PROBLEM_NONE when the request may go on. After a refusal that does not
 * close, REQUEST's framing (content_length, expects_continue, keeps_alive) is valid. */
struct refusal request_gate_check(const struct request_gate *self, const char *bytes, size_t len,
    char room[static PATH_ROOM], struct request *request);

#endif
