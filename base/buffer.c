/* A growable run of bytes. The one hard part is none: it moves its content to the front
 * before it grows. */
#include "buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MIN_CAPACITY = 256,
	DIGITS_MAX = 20, /* of the largest number */
};

void *
buffer_alloc(size_t n)
{
	void *memory = calloc(1, n);
	if (memory == NULL)
		abort();
	return memory;
}

void *
buffer_alloc_list(size_t count, size_t size)
{
	void *list = calloc(count + 1, size);
	if (list == NULL)
		abort();
	return list;
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
buffer_grow(struct buffer *self, size_t n)
{
	size_t size = buffer_size(self);

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
buffer_number(struct buffer *self, unsigned long long number, unsigned width)
{
	char digits[DIGITS_MAX];
	size_t at = sizeof digits;

	assert(width <= sizeof digits);
	while (number > 0 || at + width > sizeof digits || at == sizeof digits) {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	}
	buffer_append(self, digits + at, sizeof digits - at);
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
buffer_text_v(const char *format, va_list args)
{
	char *text = NULL;

	if (vasprintf(&text, format, args) < 0)
		abort();
	return text;
}

char *
buffer_text(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *text = buffer_text_v(format, args);
	va_end(args);
	return text;
}
