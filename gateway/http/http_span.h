/* A piece of a head, by where it stands: what the tokeniser gives back, and how it is read. */
#ifndef GATEWAY_HTTP_SPAN_H
#define GATEWAY_HTTP_SPAN_H

#include <stdbool.h>
#include <stddef.h>

/* Not owned, not NUL-terminated. BYTES is NULL where a field was absent. */
struct http_span {
	const char *bytes;
	size_t len;
};

/* Takes spaces off both ends. */
void http_span_trim(struct http_span *value);

/* True when SPAN equals TEXT; the second ignores ASCII case. */
bool http_span_is(struct http_span span, const char *text);
bool http_span_is_nocase(struct http_span span, const char *text);

/* True when the comma-separated list SPAN holds the token TEXT, ignoring case. */
bool http_span_lists(struct http_span span, const char *text);

/* Reads a canonical decimal number: digits only, no leading zero but "0" itself, at most 18
 * digits. Returns false for anything else. */
bool http_span_number(struct http_span span, unsigned long long *number);

#endif
