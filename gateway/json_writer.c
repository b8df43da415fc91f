/* JSON text, escaped. All bytes outside printable ASCII are escaped: a log line stays one line
 * and shows what really came, look-alikes included. */
#include "json_writer.h"

#include <stdint.h>
#include <string.h>

/* Decodes one UTF-8 sequence of at most LEFT bytes. Returns its length, or 0 when it is none. */
static size_t
utf8_decode(const unsigned char *at, size_t left, uint32_t *code)
{
	size_t len = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

	if (at[0] < 0xc2 || at[0] > 0xf4 || len > left)
		return 0;
	*code = at[0] & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (at[i] & 0x3fu);
	}
	if (*code < least[len] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff))
		return 0;
	return len;
}

static void
append_escape(struct buffer *out, uint32_t code)
{
	if (code >= 0x10000) {
		code -= 0x10000;
		buffer_printf(out, "\\u%04x\\u%04x", 0xd800 + (unsigned)(code >> 10),
		    0xdc00 + (unsigned)(code & 0x3ff));
	} else {
		buffer_printf(out, "\\u%04x", (unsigned)code);
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
		uint32_t code = *at;
		if (*at == '"' || *at == '\\') {
			char escape[2] = {'\\', (char)*at++};
			buffer_append(out, escape, 2);
			continue;
		}
		size_t n = *at >= 0x80 ? utf8_decode(at, (size_t)(end - at), &code) : 1;
		if (n == 0) {
			code = *at;
			n = 1;
		}
		append_escape(out, code);
		at += n;
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
		buffer_append(out, ",", 1);
	buffer_append(out, "\"", 1);
	buffer_append(out, key, strlen(key));
	buffer_append(out, "\":", 2);
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
	buffer_printf(out, "%llu", number);
}
