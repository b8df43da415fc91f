/*
 * Range and conditions. The hard part is what to do with the unreadable: it is as if it were not
 * there, which makes the answer longer, never wrong.
 */
#include "conditions.h"

#include <stdio.h>
#include <string.h>

#include "http_date.h"

/* 1*DIGIT; the range is written anew, so leading zeros do no harm. */
static bool
parse_position(struct http_span digits, unsigned long long *number)
{
	while (digits.len > 1 && digits.bytes[0] == '0') {
		digits.bytes++;
		digits.len--;
	}
	return http_span_number(digits, number);
}

/* Range (RFC 9110, 14.2): one range of bytes; a list or anything odd is ignored, as if absent. */
static struct request_range
parse_range(struct http_span value)
{
	static const char unit[] = "bytes=";
	struct request_range none = {RANGE_NONE, 0, 0}, range = none;

	if (value.len < sizeof unit - 1 || memcmp(value.bytes, unit, sizeof unit - 1) != 0)
		return none;
	struct http_span spec = {value.bytes + sizeof unit - 1, value.len - (sizeof unit - 1)};
	const char *dash = memchr(spec.bytes, '-', spec.len);
	if (dash == NULL)
		return none;
	struct http_span first = {spec.bytes, (size_t)(dash - spec.bytes)};
	struct http_span last = {dash + 1, spec.len - first.len - 1};
	if (first.len == 0) {
		range.form = RANGE_SUFFIX;
		return parse_position(last, &range.last) ? range : none;
	}
	if (!parse_position(first, &range.first))
		return none;
	range.form = RANGE_FROM;
	if (last.len == 0)
		return range;
	range.form = RANGE_FROM_TO;
	return parse_position(last, &range.last) && range.last >= range.first ? range : none;
}

/* Length of the entity-tag at the start of SPAN (RFC 9110, 8.8.3), 0 when there is none. */
static size_t
entity_tag_length(struct http_span span)
{
	size_t i = span.len >= 2 && memcmp(span.bytes, "W/", 2) == 0 ? 2 : 0;

	if (i == span.len || span.bytes[i++] != '"')
		return 0;
	while (i < span.len && span.bytes[i] != '"' && span.bytes[i] != ' ')
		i++;
	return i < span.len && span.bytes[i] == '"' ? i + 1 : 0;
}

/* Takes the first entity-tag off LIST, with the commas that follow it. False when there is none, or
 * when it is not separated from the next. */
static bool
take_entity_tag(struct http_span *list, struct http_span *tag)
{
	size_t len = entity_tag_length(*list);
	bool comma = false;

	*tag = (struct http_span){list->bytes, len};
	list->bytes += len;
	list->len -= len;
	while (len > 0 && list->len > 0 && (*list->bytes == ' ' || *list->bytes == ',')) {
		comma = comma || *list->bytes == ',';
		list->bytes++;
		list->len--;
	}
	return len > 0 && (comma || list->len == 0);
}

static bool
is_entity_tag_list(struct http_span span)
{
	struct http_span tag;

	if (http_span_is(span, "*"))
		return true;
	do
		if (!take_entity_tag(&span, &tag))
			return false;
	while (span.len > 0);
	return true;
}

bool
conditions_lists_tag(struct http_span list, const char *tag)
{
	struct http_span next;

	if (http_span_is(list, "*"))
		return true;
	while (list.len > 0 && take_entity_tag(&list, &next)) {
		if (next.len > 2 && next.bytes[0] == 'W') {
			next.bytes += 2;
			next.len -= 2;
		}
		if (http_span_is(next, tag))
			return true;
	}
	return false;
}

static bool
is_if_range(struct http_span span)
{
	time_t when;

	if (span.len > 0 && span.bytes[0] == '"')
		return entity_tag_length(span) == span.len;
	return http_date_parse(span.bytes, span.len, &when);
}

void
conditions_read(const struct http_head *head, struct request *request)
{
	size_t n;
	const struct http_field *field = http_message_find(head, "If-None-Match", &n);

	if (n == 1 && is_entity_tag_list(field->value))
		request->if_none_match = field->value;
	/* RFC 9110, 13.1.3: If-None-Match, even an unreadable one, overrides the date. */
	bool has_tags = n > 0;
	field = http_message_find(head, "If-Modified-Since", &n);
	request->has_if_modified_since =
	    n == 1 && !has_tags &&
	    http_date_parse(field->value.bytes, field->value.len, &request->if_modified_since);

	request->is_conditional =
	    request->if_none_match.bytes != NULL || request->has_if_modified_since;

	field = http_message_find(head, "Range", &n);
	if (n == 1 && request->method == METHOD_GET)
		request->range = parse_range(field->value);
	field = http_message_find(head, "If-Range", &n);
	if (n == 0 || request->range.form == RANGE_NONE)
		return;
	if (n == 1 && is_if_range(field->value))
		request->if_range = field->value;
	else
		request->range.form = RANGE_NONE;
}

void
conditions_print_range(const struct request_range *range, char text[CONDITIONS_RANGE_TEXT])
{
	text[0] = '\0';
	switch (range->form) {
	case RANGE_NONE:
		break;
	case RANGE_FROM:
		(void)snprintf(text, CONDITIONS_RANGE_TEXT, "bytes=%llu-", range->first);
		break;
	case RANGE_FROM_TO:
		(void)snprintf(
		    text, CONDITIONS_RANGE_TEXT, "bytes=%llu-%llu", range->first, range->last);
		break;
	case RANGE_SUFFIX:
		(void)snprintf(text, CONDITIONS_RANGE_TEXT, "bytes=-%llu", range->last);
		break;
	}
}
