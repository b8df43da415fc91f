/*
 * A message head cut into its parts by http-parser, which only this module knows.
 *
 * http-parser (Debian's build is the lenient one) sees only heads that http_scan_head() has
 * accepted byte by byte, is stopped at the end of the head and never sees a body; request_gate
 * and response_gate check everything it returns. All spans point into the caller's bytes.
 */
#ifndef GATEWAY_HTTP_MESSAGE_H
#define GATEWAY_HTTP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "http_scan.h"
#include "http_span.h"

struct http_field {
	struct http_span name, value; /* value without surrounding spaces */
};

struct http_head {
	struct http_span target; /* requests */
	unsigned status;         /* responses */
	size_t field_count;
	struct http_field fields[HTTP_FIELDS_MAX];
};

/* Cuts the LEN bytes of one complete, scanned head. Returns false when http-parser objects. */
bool http_message_cut_request(const char *bytes, size_t len, struct http_head *head);
bool http_message_cut_response(const char *bytes, size_t len, struct http_head *head);

/* Finds the field NAME (case-insensitive, RFC 9110, 5.1); *COUNT, unless NULL, says how many
 * there are. Returns the first, or NULL. */
const struct http_field *http_message_find(
    const struct http_head *head, const char *name, size_t *count);

#endif
