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
		http_span_trim(&head->fields[i].value);
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
	size_t n = 0, len = strlen(name);

	for (size_t i = 0; i < head->field_count; i++) {
		const struct http_field *field = &head->fields[i];
		if (field->name.len != len || strncasecmp(field->name.bytes, name, len) != 0)
			continue;
		if (n++ == 0)
			found = field;
	}
	if (count != NULL)
		*count = n;
	return found;
}
