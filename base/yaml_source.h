/*
 * A YAML file loaded through a libcyaml schema, with line numbers.
 *
 * libcyaml stops at the first mistake, forgets line numbers, reads 010 as octal and any word as a
 * boolean. So the file is first walked with libyaml against the same schema: unknown, repeated
 * and missing keys, wrong kinds and bad values are all reported, each with its line; anchors,
 * aliases, tags and several documents are refused. Only a file without problems is loaded: in the
 * same pass when the schema has texts, lists and mappings only, else by libcyaml. Afterwards
 * yaml_source_line() finds the line of any value, for the checks that only the caller can make.
 *
 * Stricter than libcyaml: numbers are plain decimals, booleans are `true` or `false`, `key:`
 * without a value (or null, ~) is a mistake unless the schema says POINTER_NULL. The schema types
 * understood are STRING, INT, UINT, BOOL, ENUM, MAPPING, SEQUENCE, SEQUENCE_FIXED and IGNORE.
 */
#ifndef BASE_YAML_SOURCE_H
#define BASE_YAML_SOURCE_H

#include <cyaml/cyaml.h>

#include "problems.h"

struct yaml_source;

/* Loads the file NAME (also used in messages) through SCHEMA into *DATA, which the caller frees
 * with yaml_source_free_data(); its texts may be gone with the source. BYTES/LEN are the file's
 * content, in which lines may end with CRLF and a byte order mark of UTF-8 may come first, and are
 * not needed afterwards. Returns NULL, with PROBLEMS filled and *DATA NULL, when anything is wrong.
 */
struct yaml_source *yaml_source_load(const char *name, const char *bytes, size_t len,
    const cyaml_schema_value_t *schema, void **data, struct problems *problems);

/* The same, but a file with no other mistakes than unknown keys is loaded in spite of them, so
 * that the caller can look for more to report. The caller must then look at PROBLEMS. */
struct yaml_source *yaml_source_load_tolerant(const char *name, const char *bytes, size_t len,
    const cyaml_schema_value_t *schema, void **data, struct problems *problems);

/* Reads the whole regular file NAME, at most MAX bytes; NULL, with a problem added, when it cannot.
 * The caller frees the result. An extra NUL follows the content. */
char *yaml_source_read_file(const char *name, size_t max, size_t *len, struct problems *problems);

/* The line, from 1, of the value at a path written "customers[3].subjects[0]", printf-like; the
 * line of its nearest existing ancestor when the value is not in the file. */
size_t yaml_source_line(const struct yaml_source *self, const char *path_format, ...)
    __attribute__((format(printf, 2, 3)));

void yaml_source_free(struct yaml_source *self);
void yaml_source_free_data(const cyaml_schema_value_t *schema, void *data);

#endif
