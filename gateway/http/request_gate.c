/*
 * The strict gate. The hard part is the order: framing is decided before anything else, so
 * that every later refusal may keep the connection, and every doubt before it closes.
 */
#include "request_gate.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "conditions.h"
#include "http_message.h"

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
ipv6_length(struct http_span host, struct in6_addr *address)
{
	char text[INET6_ADDRSTRLEN];
	const char *end = memchr(host.bytes, ']', host.len);
	size_t len = end != NULL ? (size_t)(end - host.bytes) - 1 : 0;

	if (len == 0 || len >= sizeof text)
		return 0;
	memcpy(text, host.bytes + 1, len);
	text[len] = '\0';
	return inet_pton(AF_INET6, text, address) == 1 ? len + 2 : 0;
}

/* Host = uri-host [":" port] (RFC 9110, 7.2): a name, an IPv4 or a bracketed IPv6 address.
 * Returns the length of the host part, 0 when malformed. */
static size_t
host_length(struct http_span host)
{
	struct in6_addr address;
	size_t len = 0;

	if (host.len > 0 && host.bytes[0] == '[')
		len = ipv6_length(host, &address);
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

/* NAME, which is valid, is one of ours: an address of IPv6 in whatever form. */
static bool
is_own_name(const struct request_gate *self, struct http_span name)
{
	char text[INET6_ADDRSTRLEN + 2] = "[";
	struct in6_addr address;

	if (name.bytes[0] == '[' && ipv6_length(name, &address) != 0 &&
	    inet_ntop(AF_INET6, &address, text + 1, INET6_ADDRSTRLEN) != NULL) {
		size_t len = strlen(text);
		text[len++] = ']';
		name = (struct http_span){text, len};
	}
	for (size_t i = 0; i < self->server_name_count; i++)
		if (http_span_is_nocase(name, self->server_names[i]))
			return true;
	return self->server_name_count == 0;
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
	return is_own_name(self, name)
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

/* The target is decoded here and nowhere else: into ROOM, unless it is its own decoded form. */
static struct refusal
check_target(struct request *request, char room[static PATH_ROOM])
{
	struct http_span path = request->path;
	const char *defect = NULL;

	if (path.bytes[0] != '/')
		return refuse_and_close(
		    PROBLEM_MALFORMED_REQUEST, "The target is not an absolute path");
	if (memchr(path.bytes, '%', path.len) != NULL ||
	    memchr(path.bytes, '#', path.len) != NULL) {
		defect = path_spelling_decode(path.bytes, path.len, room, &path.len);
		path.bytes = room;
	}
	if (defect == NULL && path.len > PATH_MAX_BYTES)
		return refuse(PROBLEM_URI_TOO_LONG, "The path is longer than 4096 bytes");
	if (defect == NULL)
		defect = path_defect(path.bytes, path.len);
	if (defect != NULL)
		return refuse(PROBLEM_MALFORMED_PATH, defect);
	request->path = path;
	return accepted;
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
request_gate_check(const struct request_gate *self, const char *bytes, size_t len,
    char room[static PATH_ROOM], struct request *request)
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
	/* Decoded for the log, too, whatever the refusal is. */
	struct refusal target = check_target(request, room);
	if (refusal.problem == PROBLEM_NONE)
		refusal = target;
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
		conditions_read(&head, request);
	return accepted;
}
