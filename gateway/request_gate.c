/*
 * The strict gate. The hard part is the order: framing is decided before anything else, so
 * that every later refusal may keep the connection, and every doubt before it closes.
 */
#include "request_gate.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../policy/path.h"
#include "http_date.h"

enum { HOST_MAX = 255 }; /* bytes of a host name (RFC 1035, 2.3.4) */

static const struct refusal accepted = {PROBLEM_NONE, NULL, false};

static struct refusal
refuse(enum problem problem, const char *detail)
{
	return (struct refusal){problem, detail, false};
}

static struct refusal
refuse_and_close(enum problem problem, const char *detail)
{
	return (struct refusal){problem, detail, true};
}

struct refusal
request_gate_scan_refusal(enum http_scan_result result, const struct http_scan *scan)
{
	switch (result) {
	case HTTP_SCAN_MALFORMED:
		return refuse_and_close(PROBLEM_MALFORMED_REQUEST, scan->defect);
	case HTTP_SCAN_START_LINE_TOO_LONG:
		return refuse_and_close(
		    PROBLEM_URI_TOO_LONG, "The request line is longer than 8 KiB");
	case HTTP_SCAN_FIELDS_TOO_LARGE:
		return refuse_and_close(PROBLEM_HEADERS_TOO_LARGE,
		    "The header block is larger than 16 KiB or has more than 64 fields");
	case HTTP_SCAN_INCOMPLETE:
	case HTTP_SCAN_COMPLETE:
		break;
	}
	assert(0 && "only a failed scan has a refusal");
	return accepted;
}

/* The methods http-parser knows. All but three are 405; any other word is 501. */
static const char *const known_methods[] = {"GET", "HEAD", "PUT", "POST", "DELETE", "CONNECT",
    "OPTIONS", "TRACE", "PATCH", "COPY", "LOCK", "MKCOL", "MOVE", "PROPFIND", "PROPPATCH", "SEARCH",
    "UNLOCK", "BIND", "REBIND", "UNBIND", "ACL", "REPORT", "MKACTIVITY", "CHECKOUT", "MERGE",
    "M-SEARCH", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "PURGE", "MKCALENDAR", "LINK", "UNLINK",
    "SOURCE"};

static bool
method_is_known(struct http_span method)
{
	for (size_t i = 0; i < sizeof known_methods / sizeof *known_methods; i++)
		if (http_span_is(method, known_methods[i]))
			return true;
	return false;
}

/* request-line = method SP request-target SP HTTP-version, each exactly once (RFC 9112, 3). */
static struct refusal
check_request_line(const char *line, size_t len, struct request *request, int *minor)
{
	static const char version[] = "HTTP/1.";
	const char *end = line + len;
	const char *space = memchr(line, ' ', len);
	const char *second = space ? memchr(space + 1, ' ', (size_t)(end - space - 1)) : NULL;

	if (space == line || second == NULL || second == space + 1)
		return refuse_and_close(
		    PROBLEM_MALFORMED_REQUEST, "The request line is not: method, target, version");
	request->method_text = (struct http_span){line, (size_t)(space - line)};
	request->path = (struct http_span){space + 1, (size_t)(second - space - 1)};
	const char *tail = second + 1;
	if ((size_t)(end - tail) != sizeof version ||
	    memcmp(tail, version, sizeof version - 1) != 0 ||
	    (tail[sizeof version - 1] != '1' && tail[sizeof version - 1] != '0'))
		return refuse_and_close(
		    PROBLEM_MALFORMED_REQUEST, "The version is not HTTP/1.1 or HTTP/1.0");
	*minor = tail[sizeof version - 1] - '0';
	if (!method_is_known(request->method_text))
		return refuse_and_close(PROBLEM_METHOD_UNKNOWN, "The method is not known");
	request->method = METHOD_OTHER;
	if (http_span_is(request->method_text, "GET"))
		request->method = METHOD_GET;
	else if (http_span_is(request->method_text, "HEAD"))
		request->method = METHOD_HEAD;
	else if (http_span_is(request->method_text, "PUT"))
		request->method = METHOD_PUT;
	else if (http_span_is(request->method_text, "CONNECT"))
		return refuse_and_close(PROBLEM_METHOD_NOT_ALLOWED, "CONNECT is never allowed");
	return accepted;
}

/* Message framing (RFC 9112, 6): only Content-Length, once, in canonical form. */
static struct refusal
check_framing(const struct http_head *head, struct request *request)
{
	size_t lengths, encodings;
	const struct http_field *length = http_message_find(head, "Content-Length", &lengths);

	(void)http_message_find(head, "Transfer-Encoding", &encodings);
	if (encodings > 0 && lengths > 0)
		return refuse_and_close(PROBLEM_MALFORMED_REQUEST,
		    "Transfer-Encoding and Content-Length in one request");
	if (encodings > 0)
		return refuse_and_close(
		    PROBLEM_LENGTH_REQUIRED, "Transfer-Encoding is not supported");
	if (lengths > 1)
		return refuse_and_close(PROBLEM_MALFORMED_REQUEST, "Content-Length is repeated");
	request->has_content_length = lengths == 1;
	if (lengths == 1 && !http_span_number(length->value, &request->content_length))
		return refuse_and_close(
		    PROBLEM_MALFORMED_REQUEST, "Content-Length is not a plain decimal number");
	if (request->content_length > 0 && request->method != METHOD_PUT &&
	    request->method != METHOD_OTHER)
		return refuse_and_close(
		    PROBLEM_BODY_NOT_ALLOWED, "GET and HEAD must not have a body");
	return accepted;
}

/* A name that looks like one of the framing or routing fields but is not, such as
 * "Content_Length": other software might take it for the real one. */
static bool
is_disguised(struct http_span name)
{
	static const char *const real[] = {"Content-Length", "Transfer-Encoding", "Host"};
	char plain[32];

	if (name.len >= sizeof plain || memchr(name.bytes, '_', name.len) == NULL)
		return false;
	for (size_t i = 0; i < name.len; i++)
		plain[i] = name.bytes[i] == '_' ? '-' : name.bytes[i];
	for (size_t i = 0; i < sizeof real / sizeof *real; i++)
		if (http_span_is_nocase((struct http_span){plain, name.len}, real[i]))
			return true;
	return false;
}

static bool
is_host_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_';
}

/* Length of "[IPv6 address]" at the start of HOST (RFC 3986, 3.2.2), 0 when there is none. */
static size_t
ipv6_length(struct http_span host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;
	const char *end = memchr(host.bytes, ']', host.len);
	size_t len = end != NULL ? (size_t)(end - host.bytes) - 1 : 0;

	if (len == 0 || len >= sizeof text)
		return 0;
	memcpy(text, host.bytes + 1, len);
	text[len] = '\0';
	return inet_pton(AF_INET6, text, &address) == 1 ? len + 2 : 0;
}

/* Host = uri-host [":" port] (RFC 9110, 7.2): a name, an IPv4 or a bracketed IPv6 address.
 * Returns the length of the host part, 0 when malformed. */
static size_t
host_length(struct http_span host)
{
	size_t len = 0;

	if (host.len > 0 && host.bytes[0] == '[')
		len = ipv6_length(host);
	else
		while (len < host.len && is_host_character(host.bytes[len]))
			len++;
	if (len == 0 || len > HOST_MAX)
		return 0;
	if (len == host.len)
		return len;
	struct http_span port = {host.bytes + len + 1, host.len - len - 1};
	unsigned long long number;
	if (host.bytes[len] != ':' || !http_span_number(port, &number) || number < 1 ||
	    number > UINT16_MAX)
		return 0;
	return len;
}

static struct refusal
check_host(const struct request_gate *self, const struct http_head *head, int minor)
{
	size_t count;
	const struct http_field *host = http_message_find(head, "Host", &count);

	if (count > 1)
		return refuse_and_close(PROBLEM_MALFORMED_REQUEST, "Host is repeated");
	if (count == 0)
		return minor == 0 ? accepted
		                  : refuse_and_close(PROBLEM_MALFORMED_REQUEST, "Host is missing");
	size_t len = host_length(host->value);
	if (len == 0)
		return refuse_and_close(PROBLEM_MALFORMED_REQUEST, "Host is not a host name");
	struct http_span name = {host->value.bytes, len};
	for (size_t i = 0; i < self->server_name_count; i++)
		if (http_span_is_nocase(name, self->server_names[i]))
			return accepted;
	return self->server_name_count == 0
	           ? accepted
	           : refuse(PROBLEM_MISDIRECTED, "Host names a server that is not this one");
}

/* Connection, Upgrade and Expect. */
static struct refusal
check_connection(const struct http_head *head, int minor, struct request *request)
{
	size_t expects;
	const struct http_field *expect = http_message_find(head, "Expect", &expects);

	request->keeps_alive = minor == 1;
	for (size_t i = 0; i < head->field_count; i++) {
		const struct http_field *field = &head->fields[i];
		if (http_span_is_nocase(field->name, "Upgrade") ||
		    http_span_is_nocase(field->name, "HTTP2-Settings"))
			return refuse_and_close(
			    PROBLEM_MALFORMED_REQUEST, "Upgrade is not supported");
		if (!http_span_is_nocase(field->name, "Connection"))
			continue;
		if (http_span_lists(field->value, "upgrade"))
			return refuse_and_close(
			    PROBLEM_MALFORMED_REQUEST, "Upgrade is not supported");
		if (http_span_lists(field->value, "close"))
			request->keeps_alive = false;
	}
	if (expects == 0)
		return accepted;
	if (expects > 1 || !http_span_is_nocase(expect->value, "100-continue"))
		return refuse_and_close(
		    PROBLEM_EXPECTATION_FAILED, "Only Expect: 100-continue is supported");
	request->expects_continue = minor == 1 && request->content_length > 0;
	return accepted;
}

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
request_gate_lists_tag(struct http_span list, const char *tag)
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

/* Conditions and Range of a GET or HEAD. A repeated or unreadable one is ignored; that only makes
 * the answer longer, never wrong. */
static void
read_conditions(const struct http_head *head, struct request *request)
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

static struct refusal
check_target(const struct request *request)
{
	struct http_span path = request->path;

	if (path.bytes[0] != '/')
		return refuse_and_close(
		    PROBLEM_MALFORMED_REQUEST, "The target is not an absolute path");
	const char *defect = path_defect(path.bytes, path.len);
	return defect != NULL ? refuse(PROBLEM_MALFORMED_PATH, defect) : accepted;
}

static struct http_span
single_value(const struct http_head *head, const char *name, bool *repeated)
{
	size_t n;
	const struct http_field *field = http_message_find(head, name, &n);

	*repeated = *repeated || n > 1;
	if (n == 0)
		return (struct http_span){NULL, 0};
	return field->value;
}

struct refusal
request_gate_check(
    const struct request_gate *self, const char *bytes, size_t len, struct request *request)
{
	struct http_head head;
	struct refusal refusal;
	int minor = 1;

	*request = (struct request){.method = METHOD_OTHER};
	const char *line_end = memchr(bytes, '\r', len);
	assert(line_end != NULL);
	refusal = check_request_line(bytes, (size_t)(line_end - bytes), request, &minor);
	if (refusal.problem != PROBLEM_NONE)
		return refusal;
	if (!http_message_cut_request(bytes, len, &head))
		return refuse_and_close(PROBLEM_MALFORMED_REQUEST, "The head is not valid HTTP");
	for (size_t i = 0; i < head.field_count; i++)
		if (is_disguised(head.fields[i].name))
			return refuse_and_close(
			    PROBLEM_MALFORMED_REQUEST, "A header name imitates a framing field");

	/* Framing first: what follows may keep the connection. */
	refusal = check_framing(&head, request);
	if (refusal.problem == PROBLEM_NONE)
		refusal = check_connection(&head, minor, request);
	if (refusal.problem == PROBLEM_NONE)
		refusal = check_host(self, &head, minor);
	if (refusal.problem == PROBLEM_NONE && request->method == METHOD_OTHER)
		refusal = refuse(PROBLEM_METHOD_NOT_ALLOWED, "Only GET, HEAD and PUT are allowed");
	if (refusal.problem == PROBLEM_NONE)
		refusal = check_target(request);
	if (refusal.problem != PROBLEM_NONE)
		return refusal;

	bool repeated = false;
	request->content_type = single_value(&head, "Content-Type", &repeated);
	request->content_digest = single_value(&head, "Content-Digest", &repeated);
	request->has_content_encoding = http_message_find(&head, "Content-Encoding", NULL) != NULL;
	if (repeated)
		return refuse_and_close(
		    PROBLEM_MALFORMED_REQUEST, "A header that may come once is repeated");
	if (request->method != METHOD_PUT)
		read_conditions(&head, request);
	return accepted;
}

void
request_gate_print_range(const struct request_range *range, char text[REQUEST_RANGE_TEXT])
{
	text[0] = '\0';
	switch (range->form) {
	case RANGE_NONE:
		break;
	case RANGE_FROM:
		(void)snprintf(text, REQUEST_RANGE_TEXT, "bytes=%llu-", range->first);
		break;
	case RANGE_FROM_TO:
		(void)snprintf(
		    text, REQUEST_RANGE_TEXT, "bytes=%llu-%llu", range->first, range->last);
		break;
	case RANGE_SUFFIX:
		(void)snprintf(text, REQUEST_RANGE_TEXT, "bytes=-%llu", range->last);
		break;
	}
}

void
request_gate_detach(struct request *request)
{
	const struct http_span none = {NULL, 0};

	request->method_text = request->path = none;
	request->content_type = request->content_digest = none;
	request->if_range = request->if_none_match = none;
}
