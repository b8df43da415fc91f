/*
 * Checks a YAML text against a libcyaml schema and reports all that is wrong with it.
 *
 * The hard part is to go on after a mistake without inventing new ones: a value of the wrong kind
 * is skipped as a whole, a key nobody knows is skipped with its value, and only broken YAML
 * syntax ends the walk. Every function below that takes a value starts with the value's first
 * event current and leaves its last event current.
 */
#include "yaml_walk.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "yaml_fill.h"
#include "yaml_scalar.h"

/* Most keys that one mapping of a schema may define. */
enum { FIELDS_MAX = 64 };
/* Deepest nesting of lists and mappings; no schema of ours reaches half of it. libyaml takes time
 * in proportion to the depth for every token. */
enum { DEPTH_MAX = 16 };
/* Problems after which a file is taken for something else altogether: no more are looked for. */
enum { PROBLEMS_MAX = 1000 };

struct walk {
	yaml_parser_t parser;
	yaml_event_t event; /* the current event */
	const char *name;
	const char *bytes;
	struct problems *problems;
	struct yaml_fill_texts *texts; /* of what is filled */
	struct yaml_walk_result result;
	unsigned depth;
	bool ended; /* the syntax is broken, or a limit reached: no more events */
};

/* Where a value stands, for messages: under KEY, or in the list under KEY. */
struct place {
	const char *key; /* NULL at the top */
	bool in_list;
};

static size_t
current_line(const struct walk *self)
{
	return self->event.start_mark.line + 1;
}

static void problem(struct walk *self, size_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void
problem(struct walk *self, size_t line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	problems_add_v(self->problems, self->name, line, format, args);
	va_end(args);
	self->result.other_problems++;
}

/* Adds "`key` must be WHAT", or "an entry of `key` must be WHAT". */
static void
must_be(struct walk *self, size_t line, struct place place, const char *what)
{
	if (place.key == NULL)
		problem(self, line, "the file must be %s", what);
	else
		problem(self, line, "%s`%s` must be %s", place.in_list ? "an entry of " : "",
		    place.key, what);
}

/* libyaml gives no line for bytes that are not text, only an offset. */
static size_t
line_at(const char *bytes, size_t offset)
{
	size_t line = 1;
	for (size_t i = 0; i < offset; i++)
		line += bytes[i] == '\n';
	return line;
}

static void
syntax_problem(struct walk *self)
{
	const yaml_parser_t *parser = &self->parser;
	if (parser->error == YAML_MEMORY_ERROR)
		abort();
	size_t line = parser->error == YAML_READER_ERROR
	                  ? line_at(self->bytes, parser->problem_offset)
	                  : parser->problem_mark.line + 1;
	problem(self, line, "not valid YAML: %s%s%s", parser->problem,
	    parser->context != NULL ? " " : "", parser->context != NULL ? parser->context : "");
}

static void
refuse_properties(struct walk *self, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor != NULL)
		problem(self, current_line(self), "anchors (&) are not allowed");
	if (tag != NULL)
		problem(self, current_line(self), "tags (!) are not allowed");
}

static void
check_properties(struct walk *self)
{
	const yaml_event_t *event = &self->event;
	switch (event->type) {
	case YAML_ALIAS_EVENT:
		problem(self, current_line(self), "aliases (*) are not allowed");
		break;
	case YAML_SCALAR_EVENT:
		refuse_properties(self, event->data.scalar.anchor, event->data.scalar.tag);
		break;
	case YAML_SEQUENCE_START_EVENT:
		refuse_properties(
		    self, event->data.sequence_start.anchor, event->data.sequence_start.tag);
		break;
	case YAML_MAPPING_START_EVENT:
		refuse_properties(
		    self, event->data.mapping_start.anchor, event->data.mapping_start.tag);
		break;
	default:
		break;
	}
}

/* Keeps account of the nesting; false when it is too deep. */
static bool
check_depth(struct walk *self)
{
	switch (self->event.type) {
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		if (++self->depth <= DEPTH_MAX)
			return true;
		problem(self, current_line(self), "nested more than %d levels deep", DEPTH_MAX);
		return false;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		self->depth--;
		return true;
	default:
		return true;
	}
}

static bool
check_count(struct walk *self)
{
	if (problems_count(self->problems) < PROBLEMS_MAX)
		return true;
	problem(self, current_line(self), "more problems are not looked for");
	return false;
}

/* Makes the next event current; false when there is none. */
static bool
next(struct walk *self)
{
	if (self->ended)
		return false;
	yaml_event_delete(&self->event);
	if (!yaml_parser_parse(&self->parser, &self->event)) {
		syntax_problem(self);
		self->ended = true;
		return false;
	}
	check_properties(self);
	self->ended = !check_depth(self) || !check_count(self);
	return !self->ended;
}

/* Passes over the current value. */
static void
skip(struct walk *self)
{
	size_t depth = 0;
	do {
		switch (self->event.type) {
		case YAML_SEQUENCE_START_EVENT:
		case YAML_MAPPING_START_EVENT:
			depth++;
			break;
		case YAML_SEQUENCE_END_EVENT:
		case YAML_MAPPING_END_EVENT:
			depth--;
			break;
		default:
			break;
		}
	} while (depth > 0 && next(self));
}

static void
check_scalar(struct walk *self, const cyaml_schema_value_t *schema, struct place place,
    struct yaml_fill fill)
{
	const yaml_event_t *event = &self->event;
	char room[YAML_SCALAR_TEXT];
	const char *wanted = yaml_scalar_defect(event, schema, room);

	if (wanted != NULL)
		must_be(self, current_line(self), place, wanted);
	if (schema->type == CYAML_STRING && !yaml_scalar_is_null(event))
		yaml_fill_text(
		    fill, self->texts, event->data.scalar.value, event->data.scalar.length);
}

static void walk_value(struct walk *self, const cyaml_schema_value_t *schema, struct place place,
    struct yaml_fill fill);

static void
walk_sequence(struct walk *self, const cyaml_schema_value_t *schema, struct place place,
    struct yaml_fill fill)
{
	size_t line = current_line(self), count = 0;
	for (; next(self) && self->event.type != YAML_SEQUENCE_END_EVENT; count++)
		walk_value(self, schema->sequence.entry,
		    (struct place){.key = place.key, .in_list = true},
		    yaml_fill_entry(fill, schema));
	if (self->ended)
		return;
	char what[64];
	if (count < schema->sequence.min) {
		snprintf(what, sizeof what, "at least %" PRIu32 " long", schema->sequence.min);
		must_be(self, line, place, what);
	} else if (count > schema->sequence.max) {
		snprintf(what, sizeof what, "at most %" PRIu32 " long", schema->sequence.max);
		must_be(self, line, place, what);
	}
}

/* The line on which each field of a mapping was first seen; 0: not yet. */
struct seen {
	size_t lines[FIELDS_MAX];
};

static void
unknown_key(struct walk *self, const cyaml_schema_field_t *fields)
{
	char known[512] = "";
	for (size_t i = 0; fields[i].key != NULL; i++) {
		size_t used = strlen(known);
		snprintf(
		    known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "", fields[i].key);
	}
	problems_add(self->problems, self->name, current_line(self),
	    "unknown key `%.80s`; here may stand: %s", self->event.data.scalar.value, known);
	self->result.unknown_keys++;
}

/* Returns the field that the current event, a key, names; NULL, with a problem added, when no
 * value can be read for it. */
static const cyaml_schema_field_t *
find_field(struct walk *self, const cyaml_schema_field_t *fields, struct seen *seen)
{
	for (size_t i = 0; fields[i].key != NULL; i++) {
		assert(i < FIELDS_MAX);
		if (!yaml_scalar_is(&self->event, fields[i].key))
			continue;
		if (seen->lines[i] != 0) {
			problem(self, current_line(self),
			    "repeated key `%s`; it stands on line %zu already", fields[i].key,
			    seen->lines[i]);
			return NULL;
		}
		seen->lines[i] = current_line(self);
		return &fields[i];
	}
	unknown_key(self, fields);
	return NULL;
}

/* Reads one key and its value. */
static void
walk_pair(struct walk *self, const cyaml_schema_field_t *fields, struct seen *seen, void *structure)
{
	const cyaml_schema_field_t *field = NULL;
	if (self->event.type == YAML_SCALAR_EVENT) {
		field = find_field(self, fields, seen);
	} else {
		problem(self, current_line(self), "a key must be a word");
		skip(self);
	}
	if (!next(self))
		return;
	if (field != NULL)
		walk_value(self, &field->value, (struct place){.key = field->key},
		    yaml_fill_field(structure, field));
	else
		skip(self);
}

static void
walk_mapping(struct walk *self, const cyaml_schema_value_t *schema, struct yaml_fill fill)
{
	const cyaml_schema_field_t *fields = schema->mapping.fields;
	void *structure = yaml_fill_structure(fill, schema);
	struct seen seen = {0};
	size_t line = current_line(self);
	while (next(self) && self->event.type != YAML_MAPPING_END_EVENT)
		walk_pair(self, fields, &seen, structure);
	if (self->ended)
		return;
	for (size_t i = 0; fields[i].key != NULL; i++) {
		if (seen.lines[i] == 0 && !(fields[i].value.flags & CYAML_FLAG_OPTIONAL))
			problem(self, line, "missing key `%s`", fields[i].key);
	}
}

static void
walk_value(struct walk *self, const cyaml_schema_value_t *schema, struct place place,
    struct yaml_fill fill)
{
	bool list = schema->type == CYAML_SEQUENCE || schema->type == CYAML_SEQUENCE_FIXED;
	bool mapping = schema->type == CYAML_MAPPING;
	yaml_event_type_t type = self->event.type;
	if (schema->type == CYAML_IGNORE) {
		skip(self);
	} else if (type == YAML_SCALAR_EVENT) {
		check_scalar(self, schema, place, fill);
	} else if (type == YAML_SEQUENCE_START_EVENT && list) {
		walk_sequence(self, schema, place, fill);
	} else if (type == YAML_MAPPING_START_EVENT && mapping) {
		walk_mapping(self, schema, fill);
	} else if (type != YAML_ALIAS_EVENT) { /* aliases are reported already */
		must_be(self, current_line(self), place, yaml_scalar_kind(schema));
		skip(self);
	}
}

/* One document, and nothing after it. */
static void
walk_stream(struct walk *self, const cyaml_schema_value_t *schema, void **data)
{
	if (!next(self) || !next(self)) /* stream start, document start */
		return;
	if (self->event.type == YAML_STREAM_END_EVENT) {
		problem(self, 0, "the file is empty");
		return;
	}
	if (!next(self))
		return;
	walk_value(self, schema, (struct place){0}, (struct yaml_fill){.value = data});
	if (!next(self) || !next(self)) /* document end, stream end */
		return;
	if (self->event.type != YAML_STREAM_END_EVENT)
		problem(self, current_line(self), "a second YAML document begins here");
}

struct yaml_walk_result
yaml_walk_check(const char *name, const char *bytes, size_t len, const cyaml_schema_value_t *schema,
    struct yaml_walk_filled filled, struct problems *problems)
{
	struct walk self = {
	    .name = name, .bytes = bytes, .problems = problems, .texts = filled.texts};
	if (!yaml_parser_initialize(&self.parser))
		abort();
	/* UTF-8 only: otherwise a byte order mark would switch to UTF-16. */
	yaml_parser_set_encoding(&self.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&self.parser, (const unsigned char *)bytes, len);
	walk_stream(&self, schema, filled.data);
	yaml_event_delete(&self.event);
	yaml_parser_delete(&self.parser);
	return self.result;
}
