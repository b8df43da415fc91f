/*
 * Requests, read by http-parser. Its callbacks deliver names and values in pieces, so they all
 * go into one run of text, NUL after each, and are remembered as offsets. The one hard part is
 * pipelining: the parser is paused when a request is complete, so that the bytes of the next
 * one stay with the caller.
 */
#include "request.h"

#include <ctype.h>
#include <http_parser.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct header {
	size_t name; /* offsets into `text` */
	size_t value;
};

struct request {
	http_parser parser;
	struct bytes target;
	struct bytes path; /* the target, decoded */
	struct bytes text;
	struct bytes body;
	struct header headers[REQUEST_HEADERS_MAX];
	size_t header_count;
	bool in_value;
	bool keeps_alive;
	bool waits_for_continue;
	bool complete;
	int refusal;
};

static int on_url(http_parser *p, const char *at, size_t len);
static int on_header_field(http_parser *p, const char *at, size_t len);
static int on_header_value(http_parser *p, const char *at, size_t len);
static int on_headers_complete(http_parser *p);
static int on_body(http_parser *p, const char *at, size_t len);
static int on_message_complete(http_parser *p);

static const http_parser_settings settings = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

struct request *
request_new(void)
{
	struct request *r = calloc(1, sizeof *r);

	if (r == NULL)
		abort();
	request_reset(r);
	return r;
}

void
request_free(struct request *r)
{
	if (r == NULL)
		return;
	bytes_fini(&r->target);
	bytes_fini(&r->path);
	bytes_fini(&r->text);
	bytes_fini(&r->body);
	free(r);
}

void
request_reset(struct request *r)
{
	http_parser_init(&r->parser, HTTP_REQUEST);
	r->parser.data = r;
	r->target.len = 0;
	r->path.len = 0;
	r->text.len = 0;
	bytes_fini(&r->body);
	r->header_count = 0;
	r->in_value = false;
	r->keeps_alive = false;
	r->waits_for_continue = false;
	r->complete = false;
	r->refusal = 0;
}

size_t
request_feed(struct request *r, const char *data, size_t len, enum request_progress *progress)
{
	size_t used = http_parser_execute(&r->parser, &settings, data, len);
	enum http_errno error = HTTP_PARSER_ERRNO(&r->parser);

	*progress = REQUEST_MORE;
	if (r->complete) {
		*progress = REQUEST_READY;
	} else if (error != HPE_OK) {
		*progress = REQUEST_REFUSED;
		if (r->refusal == 0)
			r->refusal = error == HPE_HEADER_OVERFLOW ? 431 : 400;
	}
	return used;
}

static int
on_url(http_parser *p, const char *at, size_t len)
{
	struct request *r = p->data;

	bytes_add(&r->target, at, len);
	return 0;
}

static int
on_header_field(http_parser *p, const char *at, size_t len)
{
	struct request *r = p->data;

	if (r->header_count == 0 || r->in_value) {
		if (r->header_count == REQUEST_HEADERS_MAX) {
			r->refusal = 431;
			return -1;
		}
		bytes_add(&r->text, "", 1);
		r->headers[r->header_count].name = r->text.len;
		r->headers[r->header_count].value = 0;
		r->header_count++;
		r->in_value = false;
	}
	for (size_t i = 0; i < len; i++) {
		char lower = (char)tolower((unsigned char)at[i]);

		bytes_add(&r->text, &lower, 1);
	}
	return 0;
}

static int
on_header_value(http_parser *p, const char *at, size_t len)
{
	struct request *r = p->data;

	if (!r->in_value) {
		bytes_add(&r->text, "", 1);
		r->headers[r->header_count - 1].value = r->text.len;
		r->in_value = true;
	}
	bytes_add(&r->text, at, len);
	return 0;
}

static int
on_headers_complete(http_parser *p)
{
	struct request *r = p->data;
	const char *expect = request_header(r, "expect");

	r->keeps_alive = http_should_keep_alive(p) != 0;
	if (p->http_major != 1)
		r->refusal = 400;
	else if (request_header(r, "transfer-encoding") != NULL)
		r->refusal = 411;
	else if ((p->flags & F_CONTENTLENGTH) != 0 && p->content_length > REQUEST_BODY_MAX)
		r->refusal = 413;
	r->waits_for_continue = expect != NULL && strcasecmp(expect, "100-continue") == 0;
	return r->refusal == 0 ? 0 : -1;
}

static int
on_body(http_parser *p, const char *at, size_t len)
{
	struct request *r = p->data;

	bytes_add(&r->body, at, len);
	return 0;
}

/* The byte that the escape at TEXT stands for (RFC 3986, 2.1); -1 when it is none, or a byte that
 * would change what the path is. */
static int
escaped_byte(const char *text)
{
	char digits[] = {text[1], text[1] != '\0' ? text[2] : '\0', '\0'};
	char *end;
	long byte = strtol(digits, &end, 16);

	if (!isxdigit((unsigned char)digits[0]) || end != digits + 2 || byte == 0 || byte == '/' ||
	    byte == '?')
		return -1;
	return (int)byte;
}

/* A target that cannot be decoded leaves the path empty. */
static void
decode_target(struct request *r)
{
	for (const char *c = request_target(r); *c != '\0'; c++) {
		int byte = *c == '%' ? escaped_byte(c) : (unsigned char)*c;
		char decoded = (char)byte;

		if (byte < 0) {
			r->path.len = 0;
			return;
		}
		bytes_add(&r->path, &decoded, 1);
		c += *c == '%' ? 2 : 0;
	}
}

static int
on_message_complete(http_parser *p)
{
	struct request *r = p->data;

	decode_target(r);
	r->complete = true;
	http_parser_pause(p, 1);
	return 0;
}

int
request_refusal(const struct request *r)
{
	return r->refusal;
}

bool
request_take_continue(struct request *r)
{
	bool waits = r->waits_for_continue;

	r->waits_for_continue = false;
	return waits;
}

const char *
request_method(const struct request *r)
{
	return http_method_str((enum http_method)r->parser.method);
}

const char *
request_target(const struct request *r)
{
	return r->target.data != NULL ? r->target.data : "";
}

const char *
request_path(const struct request *r)
{
	return r->path.len > 0 ? r->path.data : "%";
}

bool
request_is_http10(const struct request *r)
{
	return r->parser.http_major == 1 && r->parser.http_minor == 0;
}

bool
request_keeps_alive(const struct request *r)
{
	return r->keeps_alive;
}

const struct bytes *
request_body(const struct request *r)
{
	return &r->body;
}

const char *
request_header(const struct request *r, const char *name)
{
	const char *found, *value;

	for (size_t n = 0; request_header_at(r, n, &found, &value); n++) {
		if (strcmp(found, name) == 0)
			return value;
	}
	return NULL;
}

bool
request_header_at(const struct request *r, size_t n, const char **name, const char **value)
{
	const struct header *h;

	if (n >= r->header_count)
		return false;
	h = &r->headers[n];
	*name = r->text.data + h->name;
	*value = h->value != 0 ? r->text.data + h->value : "";
	return true;
}
