/*
 * A growable run of bytes that is filled at the end and consumed at the front.
 *
 * An empty buffer owns no memory, so that an idle connection costs none. Out of memory aborts:
 * every use is bounded by a limit of its owner, so it means the machine is in trouble.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct buffer {
	char *data; /* NULL while empty */
	size_t start, end, capacity;
};

static inline size_t
buffer_size(const struct buffer *self)
{
	return self->end - self->start;
}

static inline char *
buffer_bytes(const struct buffer *self)
{
	return self->data + self->start;
}

/* Makes room for N more bytes, which there is not, or no memory at all yet; buffer_reserve()'s. */
char *buffer_grow(struct buffer *self, size_t n);

/* Makes room for N more bytes and returns where they go; buffer_commit() says how many came. */
static inline char *
buffer_reserve(struct buffer *self, size_t n)
{
	if (self->data != NULL && self->capacity - self->end >= n)
		return self->data + self->end;
	return buffer_grow(self, n);
}

void buffer_commit(struct buffer *self, size_t n);

static inline void
buffer_append(struct buffer *self, const void *bytes, size_t n)
{
	if (n == 0)
		return;
	memcpy(buffer_reserve(self, n), bytes, n);
	self->end += n;
}

/* Appends TEXT without its end; of a literal, the compiler knows the length. */
static inline void
buffer_puts(struct buffer *self, const char *text)
{
	buffer_append(self, text, strlen(text));
}

/* Appends NUMBER in decimal, with zeros in front until there are WIDTH digits. */
void buffer_number(struct buffer *self, unsigned long long number, unsigned width);

void buffer_printf(struct buffer *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Drops N bytes from the front; the last byte dropped releases the memory. */
void buffer_consume(struct buffer *self, size_t n);

/* Releases the memory. The buffer is empty and may be used again. */
void buffer_fini(struct buffer *self);

/* calloc() and strdup() that abort instead of returning NULL; see above. */
void *buffer_alloc(size_t n);
void *buffer_alloc_list(size_t count, size_t size); /* room for one more than COUNT, too */
char *buffer_strdup(const char *text);

/* Copies N bytes and adds a NUL. */
char *buffer_copy(const char *bytes, size_t n);

/* asprintf() that aborts; the caller frees the text. */
char *buffer_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *buffer_text_v(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

#endif
