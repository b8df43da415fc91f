/*
 * One scalar of a YAML file, held against a libcyaml schema.
 */
#ifndef BASE_YAML_SCALAR_H
#define BASE_YAML_SCALAR_H

#include <cyaml/cyaml.h>
#include <stdbool.h>
#include <yaml.h>

enum { YAML_SCALAR_TEXT = 512 }; /* bytes of room for what a value must be */

/* EVENT is a scalar in all of these. */

bool yaml_scalar_is(const yaml_event_t *event, const char *text);
/* A value left out ("key:"), or the words YAML has for that. */
bool yaml_scalar_is_null(const yaml_event_t *event);

/* NULL, or what the value must be by SCHEMA, perhaps in ROOM: "true or false". */
const char *yaml_scalar_defect(
    const yaml_event_t *event, const cyaml_schema_value_t *schema, char room[YAML_SCALAR_TEXT]);

/* What any value of SCHEMA is, scalar or not: "text", "a list". */
const char *yaml_scalar_kind(const cyaml_schema_value_t *schema);

#endif
