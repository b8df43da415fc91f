/* Conditions and ranges of a request (RFC 9110, 13 and 14): read, compared, written anew. */
#ifndef GATEWAY_CONDITIONS_H
#define GATEWAY_CONDITIONS_H

#include <stdbool.h>

#include "http_message.h"
#include "request.h"

/* Fills the conditions of REQUEST, a GET or HEAD, from HEAD. One that is repeated or unreadable is
 * ignored, as is a list of ranges: that only makes the answer longer, never wrong. */
void conditions_read(const struct http_head *head, struct request *request);

/* True when LIST, a checked If-None-Match, is "*" or holds TAG, an entity tag with its quotes, by
 * the weak comparison of RFC 9110, 8.8.3.2. */
bool conditions_lists_tag(struct http_span list, const char *tag);

/* Writes RANGE as a Range field's value, "" for RANGE_NONE. */
enum { CONDITIONS_RANGE_TEXT = 64 };
void conditions_print_range(const struct request_range *range, char text[CONDITIONS_RANGE_TEXT]);

#endif
