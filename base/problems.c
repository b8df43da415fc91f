/*
 * The list of problems found in input files, kept as finished lines.
 *
 * Messages quote what stood in the file. Control characters are escaped when a problem is added,
 * so that whatever the file held, one problem is one line on the operator's terminal.
 */
#include "problems.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"

struct problem {
	char *file;
	char *text;
	size_t line;
	size_t order; /* of addition: what one line holds stays in that order */
};

struct problems {
	struct problem *list;
	size_t count;
	size_t capacity;
	bool sorted;
};

static void *
never_null(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

struct problems *
problems_new(void)
{
	struct problems *self = never_null(calloc(1, sizeof *self));
	self->sorted = true;
	return self;
}

void
problems_free(struct problems *self)
{
	if (self == NULL)
		return;
	for (size_t i = 0; i < self->count; i++) {
		free(self->list[i].file);
		free(self->list[i].text);
	}
	free(self->list);
	free(self);
}

/* Returns a copy of TEXT in which control characters are written \xNN. */
static char *
escape_controls(const char *text)
{
	char *copy = never_null(malloc(4 * strlen(text) + 1));
	char *at = copy;
	for (const char *c = text; *c != '\0'; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			at += sprintf(at, "\\x%02x", (unsigned)(unsigned char)*c);
		else
			*at++ = *c;
	}
	*at = '\0';
	return copy;
}

static char *
format_line(const char *file, size_t line, const char *message)
{
	char *raw = NULL;
	int printed = line == 0 ? asprintf(&raw, "%s: %s", file, message)
	                        : asprintf(&raw, "%s:%zu: %s", file, line, message);
	if (printed < 0)
		abort();
	char *text = escape_controls(raw);
	free(raw);
	return text;
}

static struct problem *
append(struct problems *self)
{
	if (self->count == self->capacity) {
		size_t capacity = self->capacity == 0 ? 16 : 2 * self->capacity;
		self->list = never_null(reallocarray(self->list, capacity, sizeof *self->list));
		self->capacity = capacity;
	}
	self->sorted = false;
	return &self->list[self->count++];
}

void
problems_add_v(
    struct problems *self, const char *file, size_t line, const char *format, va_list args)
{
	char *message = buffer_text_v(format, args);
	struct problem *problem = append(self);
	problem->file = never_null(strdup(file));
	problem->text = format_line(file, line, message);
	problem->line = line;
	problem->order = self->count;
	free(message);
}

void
problems_add(struct problems *self, const char *file, size_t line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	problems_add_v(self, file, line, format, args);
	va_end(args);
}

size_t
problems_count(const struct problems *self)
{
	return self->count;
}

static int
compare(const void *left, const void *right)
{
	const struct problem *a = left, *b = right;
	int files = strcmp(a->file, b->file);
	if (files != 0)
		return files;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->order < b->order ? -1 : 1;
}

const char *
problems_text(struct problems *self, size_t i)
{
	assert(i < self->count);
	if (!self->sorted)
		qsort(self->list, self->count, sizeof *self->list, compare);
	self->sorted = true;
	return self->list[i].text;
}

void
problems_print(struct problems *self, FILE *out)
{
	for (size_t i = 0; i < self->count; i++)
		fprintf(out, "%s\n", problems_text(self, i));
}
