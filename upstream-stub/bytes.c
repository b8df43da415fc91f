/*
 * Growing runs of bytes. The one hard part is not to overflow while growing; sizes double, and
 * a size that cannot be had ends the program.
 */
#include "bytes.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMALLEST_SIZE 256

static void
bytes_out_of_memory(void)
{
	fputs("upstream-stub: error: out of memory\n", stderr);
	abort();
}

/* Makes room for `more` bytes and the closing NUL, and returns where they go. */
static char *
bytes_room(struct bytes *b, size_t more)
{
	size_t size = b->size != 0 ? b->size : SMALLEST_SIZE;
	char *data;

	if (more > SIZE_MAX / 4 - b->len)
		bytes_out_of_memory();
	while (size < b->len + more + 1)
		size *= 2;
	if (size != b->size) {
		data = realloc(b->data, size);
		if (data == NULL)
			bytes_out_of_memory();
		b->data = data;
		b->size = size;
	}
	return b->data + b->len;
}

void
bytes_add(struct bytes *b, const void *data, size_t len)
{
	char *room = bytes_room(b, len);

	if (len > 0)
		memcpy(room, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void
bytes_add_text(struct bytes *b, const char *text)
{
	bytes_add(b, text, strlen(text));
}

void
bytes_addf(struct bytes *b, const char *format, ...)
{
	char small[SMALLEST_SIZE];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(small, sizeof small, format, args);
	va_end(args);
	if (len < 0)
		bytes_out_of_memory();
	if ((size_t)len < sizeof small) {
		bytes_add(b, small, (size_t)len);
		return;
	}
	va_start(args, format);
	vsnprintf(bytes_room(b, (size_t)len), (size_t)len + 1, format, args);
	va_end(args);
	b->len += (size_t)len;
}

void
bytes_add_fill(struct bytes *b, char fill, size_t count)
{
	memset(bytes_room(b, count), fill, count);
	b->len += count;
	b->data[b->len] = '\0';
}

void
bytes_drop(struct bytes *b, size_t len)
{
	if (len >= b->len) {
		b->len = 0;
		return;
	}
	memmove(b->data, b->data + len, b->len - len);
	b->len -= len;
	b->data[b->len] = '\0';
}

void
bytes_fini(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){0};
}
