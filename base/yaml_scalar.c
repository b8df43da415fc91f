/*
 * What a scalar must be. The hard part is numbers: libcyaml itself would read 010 as octal, and one
 * that is too large as its last bits.
 */
#include "yaml_scalar.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
yaml_scalar_is(const yaml_event_t *event, const char *text)
{
	return event->data.scalar.length == strlen(text) &&
	       memcmp(event->data.scalar.value, text, event->data.scalar.length) == 0;
}

static bool
is_plain(const yaml_event_t *event)
{
	return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

bool
yaml_scalar_is_null(const yaml_event_t *event)
{
	return is_plain(event) &&
	       (event->data.scalar.length == 0 || yaml_scalar_is(event, "~") ||
	           yaml_scalar_is(event, "null") || yaml_scalar_is(event, "Null") ||
	           yaml_scalar_is(event, "NULL"));
}

static bool
may_be_null(const cyaml_schema_value_t *schema, const yaml_event_t *event)
{
	unsigned wanted =
	    event->data.scalar.length == 0 ? CYAML_FLAG_POINTER_NULL : CYAML_FLAG_POINTER_NULL_STR;
	return (schema->flags & wanted) == wanted;
}

static const char *
string_defect(
    const yaml_event_t *event, const cyaml_schema_value_t *schema, char room[YAML_SCALAR_TEXT])
{
	size_t len = event->data.scalar.length;

	if (memchr(event->data.scalar.value, '\0', len) != NULL)
		return "text without NUL";
	if (len < schema->string.min) {
		snprintf(
		    room, YAML_SCALAR_TEXT, "at least %" PRIu32 " bytes long", schema->string.min);
		return schema->string.min == 1 ? "something, not an empty text" : room;
	}
	if (len <= schema->string.max)
		return NULL;
	snprintf(room, YAML_SCALAR_TEXT, "at most %" PRIu32 " bytes long", schema->string.max);
	return room;
}

/* Decimal digits without sign or leading zero, not above MAX. */
static bool
is_number(const char *digits, uint64_t max)
{
	size_t len = strlen(digits);
	if (len == 0 || strspn(digits, "0123456789") != len || (len > 1 && digits[0] == '0'))
		return false;
	errno = 0;
	return strtoull(digits, NULL, 10) <= max && errno == 0;
}

static const char *
number_defect(
    const yaml_event_t *event, const cyaml_schema_value_t *schema, char room[YAML_SCALAR_TEXT])
{
	const char *text = (const char *)event->data.scalar.value;
	uint64_t max = UINT64_MAX >> (64 - 8 * schema->data_size);
	bool negative = false;

	if (schema->type == CYAML_INT) {
		negative = text[0] == '-';
		max = max / 2 + negative;
	}
	bool whole = strlen(text) == event->data.scalar.length;
	if (whole && is_number(text + negative, max) && !(negative && text[1] == '0'))
		return NULL;
	snprintf(room, YAML_SCALAR_TEXT, "a whole number, at most %" PRIu64,
	    schema->type == CYAML_INT ? UINT64_MAX >> (65 - 8 * schema->data_size) : max);
	return room;
}

static const char *
enum_defect(
    const yaml_event_t *event, const cyaml_schema_value_t *schema, char room[YAML_SCALAR_TEXT])
{
	snprintf(room, YAML_SCALAR_TEXT, "one of");
	for (uint32_t i = 0; i < schema->enumeration.count; i++) {
		const char *word = schema->enumeration.strings[i].str;
		if (yaml_scalar_is(event, word))
			return NULL;
		size_t used = strlen(room);
		snprintf(room + used, YAML_SCALAR_TEXT - used, "%s %s", i > 0 ? "," : "", word);
	}
	return room;
}

const char *
yaml_scalar_kind(const cyaml_schema_value_t *schema)
{
	switch (schema->type) {
	case CYAML_STRING:
		return "text";
	case CYAML_INT:
	case CYAML_UINT:
		return "a whole number";
	case CYAML_BOOL:
		return "true or false";
	case CYAML_ENUM:
		return "a word";
	case CYAML_MAPPING:
		return "a mapping (key: value)";
	case CYAML_SEQUENCE:
	case CYAML_SEQUENCE_FIXED:
		return "a list";
	default:
		abort(); /* a schema type that the walk does not know */
	}
}

const char *
yaml_scalar_defect(
    const yaml_event_t *event, const cyaml_schema_value_t *schema, char room[YAML_SCALAR_TEXT])
{
	if (yaml_scalar_is_null(event)) {
		if (may_be_null(schema, event))
			return NULL;
		snprintf(room, YAML_SCALAR_TEXT, "%s, but has no value", yaml_scalar_kind(schema));
		return room;
	}
	switch (schema->type) {
	case CYAML_STRING:
		return string_defect(event, schema, room);
	case CYAML_INT:
	case CYAML_UINT:
		return number_defect(event, schema, room);
	case CYAML_BOOL:
		return yaml_scalar_is(event, "true") || yaml_scalar_is(event, "false")
		           ? NULL
		           : yaml_scalar_kind(schema);
	case CYAML_ENUM:
		return enum_defect(event, schema, room);
	default:
		return yaml_scalar_kind(schema);
	}
}
