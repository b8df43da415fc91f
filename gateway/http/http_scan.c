/*
 * The byte-level gate. The hard part is to be exact: every byte of the head is judged once, with
 * only the current line's state to go by. Most of them say nothing new about their line:
 * skip_usual() takes those, scan_byte() the rest.
 */
#include "http_scan.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

static bool
is_printable(unsigned char c)
{
	return c >= 0x20 && c <= 0x7e;
}

/* RFC 9110, 5.6.2: token characters. */
static bool
is_token(unsigned char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static enum http_scan_result
malformed(struct http_scan *self, const char *defect)
{
	self->defect = defect;
	return HTTP_SCAN_MALFORMED;
}

/* A byte inside a line, which is not CR or LF. */
static enum http_scan_result
scan_byte(struct http_scan *self, unsigned char c)
{
	bool first = self->position == self->line;

	if (!is_printable(c))
		return malformed(self, "control or non-ASCII byte in the head");
	if (self->fields_start == 0)
		return first && c == ' ' ? malformed(self, "white space before the start line")
		                         : HTTP_SCAN_INCOMPLETE;
	if (self->name_end != 0)
		return HTTP_SCAN_INCOMPLETE;
	if (first && c == ' ')
		return malformed(self, "folded header line");
	if (c == ':') {
		if (first)
			return malformed(self, "header field without a name");
		self->name_end = self->position;
	} else if (!is_token(c)) {
		return malformed(self, c == ' ' ? "white space in or after a header name"
		                                : "character in a header name that is not allowed");
	}
	return HTTP_SCAN_INCOMPLETE;
}

/* Inside a start line or a value any printable byte may follow, in a name any token character. Goes
 * on to the first that may not, at most to where one more would be over the limit. */
static void
skip_usual(struct http_scan *self, const char *bytes, size_t len)
{
	bool in_name = self->fields_start != 0 && self->name_end == 0;
	size_t at = self->position;
	size_t end = self->fields_start == 0 ? HTTP_START_LINE_MAX
	                                     : self->fields_start + HTTP_FIELDS_MAX_BYTES;

	if (self->fields_start == 0 && at == self->line)
		return;
	if (end > len)
		end = len;
	if (in_name)
		while (at < end && is_token((unsigned char)bytes[at]))
			at++;
	else
		while (at < end && is_printable((unsigned char)bytes[at]))
			at++;
	self->position = at;
}

/* The line [line, position) is complete; its CR LF follows. */
static enum http_scan_result
scan_line_end(struct http_scan *self)
{
	size_t len = self->position - self->line;

	self->position += 2;
	if (self->fields_start == 0) {
		if (len == 0)
			return malformed(self, "empty start line");
		self->fields_start = self->position;
	} else if (len == 0) {
		self->head_len = self->position;
		return HTTP_SCAN_COMPLETE;
	} else {
		if (self->name_end == 0)
			return malformed(self, "header line without a colon");
		if (++self->fields > HTTP_FIELDS_MAX)
			return HTTP_SCAN_FIELDS_TOO_LARGE;
	}
	self->line = self->position;
	self->name_end = 0;
	return HTTP_SCAN_INCOMPLETE;
}

static enum http_scan_result
over_limit(const struct http_scan *self)
{
	if (self->fields_start == 0)
		return self->position > HTTP_START_LINE_MAX ? HTTP_SCAN_START_LINE_TOO_LONG
		                                            : HTTP_SCAN_INCOMPLETE;
	return self->position - self->fields_start > HTTP_FIELDS_MAX_BYTES
	           ? HTTP_SCAN_FIELDS_TOO_LARGE
	           : HTTP_SCAN_INCOMPLETE;
}

enum http_scan_result
http_scan_head(struct http_scan *self, const char *bytes, size_t len)
{
	enum http_scan_result result = HTTP_SCAN_INCOMPLETE;

	assert(self->position <= len);
	while (self->position < len && result == HTTP_SCAN_INCOMPLETE) {
		skip_usual(self, bytes, len);
		if (self->position == len)
			break;
		char c = bytes[self->position];
		if (c == '\n')
			return malformed(self, "bare LF in the head");
		if (c == '\r') {
			if (self->position + 1 == len)
				break;
			if (bytes[self->position + 1] != '\n')
				return malformed(self, "bare CR in the head");
			result = scan_line_end(self);
		} else {
			result = scan_byte(self, (unsigned char)c);
			self->position++;
		}
		if (result == HTTP_SCAN_INCOMPLETE || result == HTTP_SCAN_COMPLETE) {
			enum http_scan_result limit = over_limit(self);
			if (limit != HTTP_SCAN_INCOMPLETE)
				return limit;
		}
	}
	return result;
}
