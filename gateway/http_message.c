/*
 * http-parser as a tokeniser. The hard part is to keep its leniency out: it gets clean bytes,
 * may call back for URL, fields and the end of the head only, and must stop exactly there.
 */
#include "http_message.h"

#include <assert.h>
#include <http_parser.h>
#include <string.h>
#include <strings.h>

struct cutter {
	struct http_head *head;
	bool in_value, overflow, complete;
};

/* http-parser may report one span in pieces; clean contiguous input joins them again. */
static void
span_extend(struct http_span *span, const char *at, size_t len)
{
	if (span->bytes == NULL)
		span->bytes = at;
	assert(span->bytes + span->len == at);
	span->len += len;
}

static int
on_url(http_parser *parser, const char *at, size_t len)
{
	struct cutter *cutter = parser->data;
	span_extend(&cutter->head->target, at, len);
	return 0;
}

static int
on_header_field(http_parser *parser, const char *at, size_t len)
{
	struct cutter *cutter = parser->data;
	struct http_head *head = cutter->head;

	if (head->field_count == 0 || cutter->in_value) {
		if (head->field_count == HTTP_FIELDS_MAX) {
			cutter->overflow = true;
			return 1;
		}
		head->fields[head->field_count++] = (struct http_field){0};
		cutter->in_value = false;
	}
	span_extend(&head->fields[head->field_count - 1].name, at, len);
	return 0;
}

static int
on_header_value(http_parser *parser, const char *at, size_t len)
{
	struct cutter *cutter = parser->data;
	assert(cutter->head->field_count > 0);
	cutter->in_value = true;
	span_extend(&cutter->head->fields[cutter->head->field_count - 1].value, at, len);
	return 0;
}

static int
on_headers_complete(http_parser *parser)
{
	struct cutter *cutter = parser->data;
	cutter->complete = true;
	return 1; /* no body for the parser, whatever the head says */
}

static void
trim_value(struct http_span *value)
{
	while (value->len > 0 && value->bytes[value->len - 1] == ' ')
		value->len--;
	while (value->len > 0 && value->bytes[0] == ' ') {
		value->bytes++;
		value->len--;
	}
}

static bool
cut(enum http_parser_type type, const char *bytes, size_t len, struct http_head *head)
{
	static const http_parser_settings settings = {
	    .on_url = on_url,
	    .on_header_field = on_header_field,
	    .on_header_value = on_header_value,
	    .on_headers_complete = on_headers_complete,
	};
	struct cutter cutter = {.head = head};
	http_parser parser;

	head->target = (struct http_span){0};
	head->field_count = 0;
	http_parser_init(&parser, type);
	parser.data = &cutter;
	size_t eaten = http_parser_execute(&parser, &settings, bytes, len);
	if (HTTP_PARSER_ERRNO(&parser) != HPE_OK || !cutter.complete || eaten != len)
		return false;
	head->status = parser.status_code;
	for (size_t i = 0; i < head->field_count; i++)
		trim_value(&head->fields[i].value);
	return true;
}

bool
http_message_cut_request(const char *bytes, size_t len, struct http_head *head)
{
	return cut(HTTP_REQUEST, bytes, len, head);
}

bool
http_message_cut_response(const char *bytes, size_t len, struct http_head *head)
{
	return cut(HTTP_RESPONSE, bytes, len, head);
}

const struct http_field *
http_message_find(const struct http_head *head, const char *name, size_t *count)
{
	const struct http_field *found = NULL;
	size_t n = 0;

	for (size_t i = 0; i < head->field_count; i++) {
		if (!http_span_is_nocase(head->fields[i].name, name))
			continue;
		if (n++ == 0)
			found = &head->fields[i];
	}
	if (count != NULL)
		*count = n;
	return found;
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
		trim_value(&item);
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
