/*
 * A list of the problems found in one input file.
 *
 * Loaders do not stop at the first mistake: they add every problem here, with the
 * line it stands on, and the caller prints them all as "FILE:LINE: MESSAGE".
 */
#ifndef BASE_PROBLEMS_H
#define BASE_PROBLEMS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct problems;

/* Returns an empty list. Never NULL: aborts when memory is exhausted. */
struct problems *problems_new(void);
void problems_free(struct problems *self);

/* Adds one problem. LINE counts from 1; 0 means the problem has no line. FILE is copied. */
void problems_add(struct problems *self, const char *file, size_t line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

void problems_add_v(struct problems *self, const char *file, size_t line, const char *format,
    va_list args) __attribute__((format(printf, 4, 0)));

size_t problems_count(const struct problems *self);

/* Returns problem I as "FILE:LINE: MESSAGE" in order of file and line; valid until the list
 * changes. */
const char *problems_text(struct problems *self, size_t i);

/* Writes all problems, one a line. */
void problems_print(struct problems *self, FILE *out);

#endif
