/*
 * The check of a YAML text against a libcyaml schema, event by event.
 *
 * Private to yaml_source.c. Understands the schema types STRING, INT, UINT, BOOL, ENUM, MAPPING,
 * SEQUENCE, SEQUENCE_FIXED and IGNORE and the flags OPTIONAL, POINTER, POINTER_NULL and
 * POINTER_NULL_STR; any other type in a schema is a programming error.
 */
#ifndef BASE_YAML_WALK_H
#define BASE_YAML_WALK_H

#include <cyaml/cyaml.h>

#include "problems.h"
#include "yaml_fill.h"

/* What the walk found. Unknown keys are counted apart, because libcyaml can pass over them. */
struct yaml_walk_result {
	size_t unknown_keys;
	size_t other_problems;
};

/* What the walk fills on its way: the structure *DATA, and the texts it points to. */
struct yaml_walk_filled {
	void **data; /* NULL: only check */
	struct yaml_fill_texts *texts;
};

/* Walks the LEN bytes, adding every problem with its line under the file name NAME. FILLED may have
 * data when yaml_fill_can() says so of SCHEMA; the caller frees it and the texts, also after
 * problems. */
struct yaml_walk_result yaml_walk_check(const char *name, const char *bytes, size_t len,
    const cyaml_schema_value_t *schema, struct yaml_walk_filled filled, struct problems *problems);

#endif
