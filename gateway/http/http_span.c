/* Pieces of a head, compared and read. */
#include "http_span.h"

#include <string.h>
#include <strings.h>

void
http_span_trim(struct http_span *value)
{
	while (value->len > 0 && value->bytes[value->len - 1] == ' ')
		value->len--;
	while (value->len > 0 && value->bytes[0] == ' ') {
		value->bytes++;
		value->len--;
	}
}

bool
http_span_is(struct http_span span, const char *text)
{
	return span.len == strlen(text) && memcmp(span.bytes, text, span.len) == 0;
}

bool
http_span_is_nocase(struct http_span span, const char *text)
{
	return span.len == strlen(text) && strncasecmp(span.bytes, text, span.len) == 0;
}

bool
http_span_lists(struct http_span span, const char *text)
{
	const char *at = span.bytes, *end = span.bytes + span.len;

	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		struct http_span item = {at, (size_t)((comma ? comma : end) - at)};
		http_span_trim(&item);
		if (http_span_is_nocase(item, text))
			return true;
		if (comma == NULL)
			break;
		at = comma + 1;
	}
	return false;
}

bool
http_span_number(struct http_span span, unsigned long long *number)
{
	*number = 0;
	if (span.len == 0 || span.len > 18 || (span.len > 1 && span.bytes[0] == '0'))
		return false;
	for (size_t i = 0; i < span.len; i++) {
		if (span.bytes[i] < '0' || span.bytes[i] > '9')
			return false;
		*number = *number * 10 + (unsigned long long)(span.bytes[i] - '0');
	}
	return true;
}
