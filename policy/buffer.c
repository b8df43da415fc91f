/* A growable run of bytes. The one hard part is none: it moves its content to the front
 * before it grows. */
#include "buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_CAPACITY = 256 };

void *
buffer_alloc(size_t n)
{
	void *memory = calloc(1, n);
	if (memory == NULL)
		abort();
	return memory;
}

char *
buffer_strdup(const char *text)
{
	char *copy = strdup(text);
	if (copy == NULL)
		abort();
	return copy;
}

char *
buffer_copy(const char *bytes, size_t n)
{
	char *copy = buffer_alloc(n + 1);
	memcpy(copy, bytes, n);
	return copy;
}

char *
buffer_reserve(struct buffer *self, size_t n)
{
	size_t size = buffer_size(self);

	if (self->capacity - self->end >= n && self->data != NULL)
		return self->data + self->end;
	if (self->start > 0 && self->data != NULL) {
		memmove(self->data, self->data + self->start, size);
		self->start = 0;
		self->end = size;
	}
	if (self->capacity - size < n || self->data == NULL) {
		size_t capacity = self->capacity < MIN_CAPACITY ? MIN_CAPACITY : self->capacity;
		while (capacity - size < n)
			capacity *= 2;
		char *data = realloc(self->data, capacity);
		if (data == NULL)
			abort();
		self->data = data;
		self->capacity = capacity;
	}
	return self->data + self->end;
}

void
buffer_commit(struct buffer *self, size_t n)
{
	assert(n <= self->capacity - self->end);
	self->end += n;
}

void
buffer_append(struct buffer *self, const void *bytes, size_t n)
{
	if (n == 0)
		return;
	memcpy(buffer_reserve(self, n), bytes, n);
	self->end += n;
}

void
buffer_printf(struct buffer *self, const char *format, ...)
{
	va_list args, again;

	va_start(args, format);
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	assert(len >= 0);
	if (len == 0)
		goto end_again;
	(void)vsnprintf(buffer_reserve(self, (size_t)len + 1), (size_t)len + 1, format, again);
	self->end += (size_t)len;
end_again:
	va_end(again);
}

void
buffer_consume(struct buffer *self, size_t n)
{
	assert(n <= buffer_size(self));
	self->start += n;
	if (self->start == self->end)
		buffer_fini(self);
}

void
buffer_fini(struct buffer *self)
{
	free(self->data);
	*self = (struct buffer){0};
}

char *
buffer_text(const char *format, ...)
{
	va_list args;
	char *text = NULL;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	return text;
}
