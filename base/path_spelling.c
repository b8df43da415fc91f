/*
 * Reading and writing percent-encoding. The hard part is that others may decode once more, or not
 * at all: so nothing that decodes to "%" or to a separator is taken, and what is written has no
 * character that needs a second look.
 */
#include "path_spelling.h"

#include <stdbool.h>
#include <string.h>

#include "hex.h"

/* The byte that the escape at TEXT, which has LEFT bytes, stands for; -1 when it is none. */
static int
escaped_byte(const char *text, size_t left)
{
	if (left < 3 || hex_digit(text[1]) < 0 || hex_digit(text[2]) < 0)
		return -1;
	return hex_digit(text[1]) * 16 + hex_digit(text[2]);
}

static const char *
escape_defect(int byte)
{
	if (byte < 0)
		return "has a % without two hex digits behind it";
	if (byte < 0x20 || byte == 0x7f)
		return "has an encoded control character";
	if (byte == '/' || byte == '\\')
		return "has an encoded slash or backslash";
	return byte == '%' ? "has an encoded %, which could be decoded twice" : NULL;
}

const char *
path_spelling_decode(const char *target, size_t len, char *path, size_t *path_len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = target[i];
		if (c == '#')
			return "has a fragment";
		if (c == '%') {
			int byte = escaped_byte(target + i, len - i);
			const char *defect = escape_defect(byte);
			if (defect != NULL)
				return defect;
			c = (char)byte;
			i += 2;
		}
		if (n < PATH_ROOM)
			path[n++] = c;
	}
	*path_len = n;
	return NULL;
}

static bool
stays(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '/' || c == '-' || c == '.' || c == '_' || c == '~';
}

void
path_spelling_encode(const char *path, size_t len, struct buffer *out)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t done = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)path[i];
		if (stays(path[i]))
			continue;
		const char escape[] = {'%', digits[byte >> 4], digits[byte & 15]};
		buffer_append(out, path + done, i - done);
		buffer_append(out, escape, sizeof escape);
		done = i + 1;
	}
	buffer_append(out, path + done, len - done);
}
