/*
 * The check of a YAML text against a libcyaml schema, event by event.
 *
 * Private to yaml_source.c. Understands the schema types STRING, INT, UINT, BOOL, ENUM, MAPPING,
 * SEQUENCE, SEQUENCE_FIXED and IGNORE and the flags OPTIONAL, POINTER, POINTER_NULL and
 * POINTER_NULL_STR; any other type in a schema is a programming error.
 */
#ifndef POLICY_YAML_WALK_H
#define POLICY_YAML_WALK_H

#include <cyaml/cyaml.h>

#include "problems.h"
#include "yaml_fill.h"

/* What the walk found. Unknown keys are counted apart, because libcyaml can pass over them. */
struct yaml_walk_result {
	size_t unknown_keys;
	size_t other_problems;
};

/* Walks the LEN bytes, adding every problem with its line under the file name NAME. Where DATA is
 * not NULL, and yaml_fill_can() says so of SCHEMA, the structure *DATA is filled on the way, and
 * its texts go to TEXTS; the caller frees both, also after problems. */
struct yaml_walk_result yaml_walk_check(const char *name, const char *bytes, size_t len,
    const cyaml_schema_value_t *schema, void **data, struct yaml_fill_texts *texts,
    struct problems *problems);

#endif
