/*
 * Which line of a YAML text does a value stand on?
 *
 * Private to yaml_source.c. The index is built when the first question is asked, since a file
 * without mistakes asks none. The text must be one well-formed document without aliases.
 */
#ifndef BASE_YAML_LINES_H
#define BASE_YAML_LINES_H

#include <stddef.h>

struct yaml_lines;

/* Copies the LEN bytes. Aborts when memory is exhausted, as do all functions here. */
struct yaml_lines *yaml_lines_new(const char *bytes, size_t len);
void yaml_lines_free(struct yaml_lines *self);

/* The line, from 1, of the value at PATH ("customers[3].subjects[0]"), or of its nearest existing
 * ancestor. */
size_t yaml_lines_find(struct yaml_lines *self, const char *path);

#endif
