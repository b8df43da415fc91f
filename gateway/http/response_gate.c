/*
 * The store's answers, held to the same strictness as the clients' requests. The hard part is
 * framing: if the length of the body is not beyond doubt, there is no answer.
 */
#include "response_gate.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Fields that pass, besides Content-Length, in the order they are sent. Upper and lower case as
 * here. */
static const char *const passed_names[] = {"Content-Type", "Content-Range", "Content-Encoding",
    "Content-Disposition", "Accept-Ranges", "Cache-Control", "ETag", "Expires", "Last-Modified",
    "Repr-Digest"};

enum { FIRST_ERROR = 400 };

static const unsigned passed_statuses[] = {200, 201, 204, 206, 304, 404, 410, 412, 416};

static bool
status_may_pass(unsigned status)
{
	for (size_t i = 0; i < sizeof passed_statuses / sizeof *passed_statuses; i++)
		if (status == passed_statuses[i])
			return true;
	return false;
}

/* "HTTP/1.1 200 ..." or "HTTP/1.0 200 ...": three digits and a space (RFC 9112, 4). */
static const char *
check_status_line(const char *line, size_t len, struct response *response, int *minor)
{
	if (len < 13 || memcmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') ||
	    line[8] != ' ' || line[12] != ' ')
		return "the status line is not HTTP/1.1 or HTTP/1.0";
	response->status = 0;
	for (int i = 9; i < 12; i++) {
		if (line[i] < '0' || line[i] > '9')
			return "the status is not a number";
		response->status = response->status * 10 + (unsigned)(line[i] - '0');
	}
	*minor = line[7] - '0';
	return NULL;
}

static const char *
check_framing(const struct http_head *head, int minor, const struct request *request,
    struct response *response)
{
	size_t lengths;
	const struct http_field *length = http_message_find(head, "Content-Length", &lengths);

	if (lengths > 1)
		return "Content-Length is repeated";
	response->has_content_length = lengths == 1;
	if (lengths == 1 && !http_span_number(length->value, &response->content_length))
		return "Content-Length is not a plain decimal number";
	response->is_http = true;
	response->keeps_alive = minor == 1;
	if (http_message_find(head, "Upgrade", NULL) != NULL && response->status == 101)
		return "the store tries to upgrade";
	if (response->status == 204 && response->content_length > 0)
		return "a 204 answer announces a body";
	bool bodyless =
	    request->method == METHOD_HEAD || response->status == 304 || response->status == 204;
	response->has_body = !bodyless;
	size_t codings;
	const struct http_field *coding = http_message_find(head, "Transfer-Encoding", &codings);
	if (codings == 0) {
		if (!bodyless && lengths == 0)
			response->framing = RESPONSE_BY_CLOSE;
		return NULL;
	}
	if (codings > 1 || lengths > 0 || minor == 0 ||
	    !http_span_is_nocase(coding->value, "chunked"))
		return "Transfer-Encoding is not just chunked";
	response->framing = RESPONSE_CHUNKED;
	return NULL;
}

/* Gives a body its length, where the framing has none. A body that says what went wrong is left out
 * then: nobody needs it to the byte. */
static const char *
settle_length(const struct request *request, struct response *response)
{
	if (response->framing != RESPONSE_BY_LENGTH) {
		bool is_error = response->status >= FIRST_ERROR;
		if (!is_error && !request->has_known_size)
			return response->framing == RESPONSE_CHUNKED
			           ? "chunked, and no catalogue knows its length"
			           : "no length, and no catalogue knows it";
		if (response->framing == RESPONSE_BY_CLOSE)
			response->keeps_alive = false;
		response->has_content_length = true;
		if (is_error)
			response->content_length = 0;
		else if (response->status != 206)
			response->content_length = request->known_size;
	}
	response->has_body = response->has_body && response->content_length > 0;
	if (!response->has_body && response->framing != RESPONSE_BY_LENGTH)
		response->keeps_alive = false; /* whatever follows is not read */
	return NULL;
}

/* Content-Range of a 206 (RFC 9110, 14.4): it must be the range that was asked, cut at most to
 * the artifact's end, and agree with Content-Length. */
static const char *
check_content_range(
    struct http_span value, const struct request_range *asked, struct response *response)
{
	static const char unit[] = "bytes ";
	unsigned long long first, last, total;
	const char *dash = memchr(value.bytes, '-', value.len);
	const char *slash = memchr(value.bytes, '/', value.len);

	if (value.len < sizeof unit || memcmp(value.bytes, unit, sizeof unit - 1) != 0 || !dash ||
	    !slash || slash < dash)
		return "Content-Range is malformed";
	const char *digits = value.bytes + sizeof unit - 1;
	struct http_span parts[3] = {{digits, (size_t)(dash - digits)},
	    {dash + 1, (size_t)(slash - dash - 1)},
	    {slash + 1, (size_t)(value.bytes + value.len - slash - 1)}};
	if (!http_span_number(parts[0], &first) || !http_span_number(parts[1], &last) ||
	    !http_span_number(parts[2], &total) || last < first || last >= total)
		return "Content-Range is malformed";
	if (response->framing != RESPONSE_BY_LENGTH)
		response->content_length = last - first + 1;
	if (last - first + 1 != response->content_length)
		return "Content-Range does not agree with Content-Length";
	response->complete_length = total;
	response->has_complete_length = true;
	unsigned long long wanted_first = asked->first, wanted_last = total - 1;
	if (asked->form == RANGE_SUFFIX)
		wanted_first = asked->last < total ? total - asked->last : 0;
	else if (asked->form == RANGE_FROM_TO && asked->last < total)
		wanted_last = asked->last;
	return first == wanted_first && last == wanted_last
	           ? NULL
	           : "Content-Range is not the range that was asked for";
}

/* What a 416 says of the artifact (RFC 9110, 15.5.17): its length, or nothing. */
static const char *
check_unsatisfied_range(const struct http_head *head, struct response *response)
{
	static const char unit[] = "bytes */";
	size_t ranges, len = sizeof unit - 1;
	unsigned long long total;
	const struct http_field *range = http_message_find(head, "Content-Range", &ranges);

	if (ranges == 0)
		return NULL;
	struct http_span value = range->value;
	if (ranges > 1 || value.len < len || memcmp(value.bytes, unit, len) != 0 ||
	    !http_span_number((struct http_span){value.bytes + len, value.len - len}, &total))
		return "Content-Range of a 416 is malformed";
	response->complete_length = total;
	response->has_complete_length = true;
	return NULL;
}

static const char *
check_status(const struct http_head *head, const struct request *request, struct response *response)
{
	response->is_unlisted = !status_may_pass(response->status);
	if (response->is_unlisted)
		return "the status is not one that may pass";
	if ((response->status == 201 || response->status == 204) && request->method != METHOD_PUT)
		return "a status that answers an upload";
	if (response->status == 304 && !request->is_conditional)
		return "304 without a condition";
	if ((response->status == 206 || response->status == 416) &&
	    request->range.form == RANGE_NONE)
		return "an answer to a range that was not asked for";
	if (response->status == 416)
		return check_unsatisfied_range(head, response);
	if (response->status != 206)
		return NULL;
	size_t ranges;
	const struct http_field *range = http_message_find(head, "Content-Range", &ranges);
	if (ranges != 1)
		return "206 without exactly one Content-Range";
	return check_content_range(range->value, &request->range, response);
}

/* Content-Range belongs to 206 and 416 only (RFC 9110, 14.4). */
static bool
may_pass(const char *name, const struct response *response)
{
	return strcmp(name, "Content-Range") != 0 || response->status == 206 ||
	       response->status == 416;
}

static const char *
collect_passed(const struct http_head *head, struct response *response)
{
	response->passed_count = 0;
	for (size_t i = 0; i < sizeof passed_names / sizeof *passed_names; i++) {
		size_t count;
		const struct http_field *field = http_message_find(head, passed_names[i], &count);
		if (count == 0 || !may_pass(passed_names[i], response))
			continue;
		if (count > 1)
			return "a field that may come once is repeated";
		assert(response->passed_count < RESPONSE_MAX_PASSED);
		response->passed[response->passed_count++] =
		    (struct http_field){{passed_names[i], strlen(passed_names[i])}, field->value};
	}
	return NULL;
}

/* A connection option takes the field of its name out of the message (RFC 9110, 7.6.1), so it may
 * not name one that the client is to see. */
static const char *
check_connection(const struct http_head *head, struct response *response)
{
	for (size_t i = 0; i < head->field_count; i++) {
		struct http_span options = head->fields[i].value;
		if (!http_span_is_nocase(head->fields[i].name, "Connection"))
			continue;
		if (http_span_lists(options, "close"))
			response->keeps_alive = false;
		if (http_span_lists(options, "Content-Length"))
			return "Connection names a field that passes";
		for (size_t j = 0; j < sizeof passed_names / sizeof *passed_names; j++)
			if (http_span_lists(options, passed_names[j]))
				return "Connection names a field that passes";
	}
	return NULL;
}

const char *
response_gate_check(
    const char *bytes, size_t len, const struct request *request, struct response *response)
{
	struct http_head head;
	const char *defect;
	int minor = 1;

	*response = (struct response){0};
	const char *line_end = memchr(bytes, '\r', len);
	assert(line_end != NULL);
	defect = check_status_line(bytes, (size_t)(line_end - bytes), response, &minor);
	if (defect != NULL)
		return defect;
	if (!http_message_cut_response(bytes, len, &head) || head.status != response->status)
		return "the head is not valid HTTP";
	if (response->status == 100 || response->status == 102 || response->status == 103) {
		response->is_interim = true;
		return NULL;
	}
	const struct http_field *location = http_message_find(&head, "Location", NULL);
	if (location != NULL)
		response->location = location->value;
	defect = check_framing(&head, minor, request, response);
	if (defect == NULL)
		defect = check_status(&head, request, response);
	if (defect == NULL)
		defect = settle_length(request, response);
	if (defect == NULL)
		defect = collect_passed(&head, response);
	if (defect == NULL)
		defect = check_connection(&head, response);
	return defect;
}

static size_t
place_of(const struct response *response, const char *name)
{
	size_t i = 0;

	while (i < response->passed_count && !http_span_is(response->passed[i].name, name))
		i++;
	return i;
}

bool
response_gate_passes(const struct response *response, const char *name)
{
	return place_of(response, name) < response->passed_count;
}

void
response_gate_drop(struct response *response, const char *name)
{
	size_t place = place_of(response, name);

	if (place == response->passed_count)
		return;
	response->passed_count--;
	for (size_t i = place; i < response->passed_count; i++)
		response->passed[i] = response->passed[i + 1];
}

void
response_gate_print(const struct response *response, struct buffer *out)
{
	if (response->has_content_length && response->status != 204) {
		buffer_puts(out, "Content-Length: ");
		buffer_number(out, response->content_length, 1);
		buffer_puts(out, "\r\n");
	}
	for (size_t i = 0; i < response->passed_count; i++) {
		const struct http_field *field = &response->passed[i];
		buffer_append(out, field->name.bytes, field->name.len);
		buffer_puts(out, ": ");
		buffer_append(out, field->value.bytes, field->value.len);
		buffer_puts(out, "\r\n");
	}
}
