/*
 * Answers as bytes. The one hard part is to be wrong on purpose in one thing and right in all
 * others: faults are applied while the head is composed, never to finished bytes.
 */
#include "reply.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "faults.h"
#include "http_date.h"

#define GARBAGE "\x16\x03\x01 this is not HTTP \x00\xff\r\n\r\n"
#define EARLY_HINTS "HTTP/1.1 103 Early Hints\r\nLink: </early.css>; rel=preload\r\n\r\n"
#define FIELD_SIZE 512

void
reply_init(struct reply *r)
{
	*r = (struct reply){.file = -1};
}

void
reply_fini(struct reply *r)
{
	if (r->file >= 0)
		close(r->file);
	bytes_fini(&r->fields);
	bytes_fini(&r->text);
	bytes_fini(&r->head);
	bytes_fini(&r->tail);
	reply_init(r);
}

void
reply_set_status(struct reply *r, int status)
{
	r->status = status;
}

void
reply_add_field(struct reply *r, const char *name, const char *format, ...)
{
	char value[FIELD_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(value, sizeof value, format, args);
	va_end(args);
	bytes_addf(&r->fields, "%s: %s\r\n", name, value);
}

void
reply_set_text(struct reply *r, int status, const char *text)
{
	r->status = status;
	r->text.len = 0;
	bytes_add_text(&r->text, text);
	r->length = r->text.len;
	if (r->length > 0)
		reply_add_field(r, "Content-Type", "text/plain; charset=utf-8");
}

void
reply_set_file(struct reply *r, int fd, uint64_t offset, uint64_t length)
{
	r->file = fd;
	r->offset = (off_t)offset;
	r->length = length;
}

static const char *
phrase_of(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} phrases[] = {
	    {200, "OK"},
	    {201, "Created"},
	    {204, "No Content"},
	    {206, "Partial Content"},
	    {304, "Not Modified"},
	    {400, "Bad Request"},
	    {404, "Not Found"},
	    {405, "Method Not Allowed"},
	    {409, "Conflict"},
	    {410, "Gone"},
	    {411, "Length Required"},
	    {412, "Precondition Failed"},
	    {413, "Content Too Large"},
	    {416, "Range Not Satisfiable"},
	    {431, "Request Header Fields Too Large"},
	    {500, "Internal Server Error"},
	    {503, "Service Unavailable"},
	};

	for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
		if (phrases[i].status == status)
			return phrases[i].phrase;
	}
	return "Other";
}

static bool
has_no_body(int status)
{
	return status == 204 || status == 304;
}

static void
add_content_length(struct reply *r, int64_t delta)
{
	int64_t length = (int64_t)r->length + delta;

	if (!has_no_body(r->status))
		bytes_addf(&r->head, "Content-Length: %" PRId64 "\r\n", length > 0 ? length : 0);
}

static void
add_connection(struct reply *r, const struct reply_options *options)
{
	if (!options->keep_alive)
		bytes_add_text(&r->head, "Connection: close\r\n");
	else if (options->http10)
		bytes_add_text(&r->head, "Connection: keep-alive\r\n");
}

static void
add_huge_field(struct reply *r, int64_t len)
{
	bytes_add_text(&r->head, "X-Huge: ");
	bytes_add_fill(&r->head, 'a', (size_t)len);
	bytes_add_text(&r->head, "\r\n");
}

static void
compose_head(struct reply *r, const struct fault_set *faults, const struct reply_options *options)
{
	char date[HTTP_DATE_SIZE];

	for (int64_t i = 0; i < faults->interim; i++)
		bytes_add_text(&r->head, EARLY_HINTS);
	http_date_format(date, time(NULL));
	bytes_addf(&r->head, "HTTP/1.1 %d %s\r\nServer: upstream-stub\r\nDate: %s\r\n", r->status,
	    phrase_of(r->status), date);
	bytes_add(&r->head, r->fields.data, r->fields.len);
	add_content_length(r, faults->wrong_length);
	add_connection(r, options);
	if (faults->huge_head > 0)
		add_huge_field(r, faults->huge_head);
	bytes_add_text(&r->head, "\r\n");
}

/* What a cut or a reset leaves of the body. */
static uint64_t
shortened(uint64_t length, const struct fault_set *faults)
{
	if (faults->cut_body >= 0 && (uint64_t)faults->cut_body < length)
		length = (uint64_t)faults->cut_body;
	if (faults->reset_body >= 0 && (uint64_t)faults->reset_body < length)
		length = (uint64_t)faults->reset_body;
	return length;
}

void
reply_compose(struct reply *r, const struct fault_set *faults, const struct reply_options *options)
{
	bool bodiless = options->head_only || has_no_body(r->status);

	if (faults->garbage != 0) {
		bytes_add(&r->head, GARBAGE, sizeof GARBAGE - 1);
		r->body_left = 0;
	} else if (faults->raw[0] != '\0' && r->file >= 0) {
		r->body_left = shortened(r->length, faults);
	} else {
		compose_head(r, faults, options);
		r->body_left = bodiless ? 0 : shortened(r->length, faults);
	}
	if (faults->extra > 0 && faults->cut_body < 0 && faults->reset_body < 0)
		bytes_add_fill(&r->tail, 'X', (size_t)faults->extra);
}
