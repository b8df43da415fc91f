/* JSON text, escaped. All bytes outside printable ASCII are escaped: a log line stays one line
 * and shows what really came, look-alikes included. */
#include "json_writer.h"

#include <string.h>

#include "utf8.h"

static void
append_escape(struct buffer *out, unsigned code)
{
	if (code >= 0x10000) {
		code -= 0x10000;
		buffer_printf(
		    out, "\\u%04x\\u%04x", 0xd800 + (code >> 10), 0xdc00 + (code & 0x3ff));
	} else {
		buffer_printf(out, "\\u%04x", code);
	}
}

void
json_writer_bytes(struct buffer *out, const char *bytes, size_t len)
{
	const unsigned char *at = (const unsigned char *)bytes, *end = at + len;

	buffer_append(out, "\"", 1);
	while (at < end) {
		const unsigned char *plain = at;
		while (at < end && *at >= 0x20 && *at < 0x7f && *at != '"' && *at != '\\')
			at++;
		buffer_append(out, plain, (size_t)(at - plain));
		if (at == end)
			break;
		unsigned char first = *at;
		if (first == '"' || first == '\\') {
			char escape[2] = {'\\', (char)first};
			buffer_append(out, escape, 2);
			at++;
			continue;
		}
		long character = utf8_next(&at, end);
		append_escape(out, character < 0 ? first : (unsigned)character);
	}
	buffer_append(out, "\"", 1);
}

void
json_writer_string(struct buffer *out, const char *text)
{
	json_writer_bytes(out, text, strlen(text));
}

void
json_writer_key(struct buffer *out, const char *key)
{
	char last = buffer_size(out) > 0 ? out->data[out->end - 1] : '{';

	if (last != '{' && last != '[')
		buffer_puts(out, ",");
	json_writer_string(out, key);
	buffer_puts(out, ":");
}

void
json_writer_member(struct buffer *out, const char *key, const char *text)
{
	json_writer_key(out, key);
	if (text == NULL)
		buffer_append(out, "null", 4);
	else
		json_writer_string(out, text);
}

void
json_writer_number(struct buffer *out, const char *key, unsigned long long number)
{
	json_writer_key(out, key);
	buffer_number(out, number, 1);
}
