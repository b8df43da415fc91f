/*
 * What the fuzz targets share. Nothing hard: only that a broken promise must end the process, for
 * libFuzzer keeps the input of a process that dies.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"

_Noreturn void
fuzz_failed(const char *condition, const char *file, int line)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

char *
fuzz_copy(const void *bytes, size_t len)
{
	char *copy = malloc(len > 0 ? len : 1);
	if (copy == NULL)
		abort();
	if (len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

bool
fuzz_holds(const char *bytes, size_t len, const char *text)
{
	size_t text_len = strlen(text);
	for (size_t i = 0; i + text_len <= len; i++) {
		if (strncasecmp(bytes + i, text, text_len) == 0)
			return true;
	}
	return false;
}

bool
fuzz_is_plain(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] < ' ' || bytes[i] > '~')
			return false;
	}
	return true;
}

bool
fuzz_is_printable(const char *text, size_t len)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + len;

	while (at < end) {
		long c = utf8_next(&at, end);
		if (c < ' ' || (c >= 0x7f && c <= 0x9f) || (c >= 0x200e && c <= 0x200f) ||
		    (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
			return false;
	}
	return true;
}

uint8_t
fuzz_take_byte(struct fuzz_input *self)
{
	return self->at < self->end ? *self->at++ : 0;
}

const uint8_t *
fuzz_take(struct fuzz_input *self, size_t n, size_t *len)
{
	const uint8_t *bytes = self->at;
	size_t left = (size_t)(self->end - self->at);

	*len = n < left ? n : left;
	self->at += *len;
	return bytes;
}
