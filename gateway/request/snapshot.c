/*
 * The thin snapshot: checked completely, then written anew.
 *
 * The text passes four gates in turn: a scan of its brackets that bounds the parser's memory and
 * depth, jansson with repeated keys refused, the exact keys and kinds of the format, and the
 * character classes of every value. The hard part is that nothing the client chose freely may
 * survive: the canonical text is composed from values whose every byte lies in a class that
 * needs no JSON escape, and append_value() asserts that once more while it writes.
 */
#include "snapshot.h"

#include <assert.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/component.h"
#include "base/path.h"
#include "crypto/digest.h"

enum {
	MAX_DEPTH = 3,      /* the text, its list, a component */
	MAX_KEY_SHOWN = 32, /* longest unknown key that a defect repeats, in bytes */
	MAX_PLACE = 40,     /* "components[9999]" and a NUL */
};

static const char format_name[] = "thin-snapshot/1";

struct component {
	const char *name; /* these point into the parsed JSON */
	const char *version;
	size_t position; /* in the client's list, from 0 */
};

struct writer {
	char *text;
	size_t len;
	size_t size;
};

__attribute__((format(printf, 2, 3))) static int
refuse(char defect[SNAPSHOT_DEFECT_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(defect, SNAPSHOT_DEFECT_MAX, format, args);
	va_end(args);
	return -1;
}

/*
 * First gate: brackets. A parser given 256 KiB of "[[[[" or "{},{},{}," would spend stack or
 * memory out of proportion, so the shape is bounded before it sees a byte.
 */

struct brackets {
	unsigned depth, deepest;
	size_t lists, objects;
};

static void
count_bracket(struct brackets *count, char c)
{
	if (c == '[' || c == '{') {
		count->depth++;
		if (count->deepest < count->depth)
			count->deepest = count->depth;
		count->lists += c == '[';
		count->objects += c == '{';
	} else if ((c == ']' || c == '}') && count->depth > 0) {
		count->depth--;
	}
}

static struct brackets
count_brackets(const char *bytes, size_t len)
{
	struct brackets count = {0};
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '"')
			in_string = !in_string;
		else if (!in_string)
			count_bracket(&count, bytes[i]);
		else if (bytes[i] == '\\')
			i++;
	}
	return count;
}

static int
check_shape(const char *bytes, size_t len, const struct snapshot_limits *limits, char *defect)
{
	struct brackets count;

	if (len == 0)
		return refuse(defect, "the snapshot is empty");
	if (len > limits->max_bytes)
		return refuse(defect, "the snapshot is longer than %zu bytes", limits->max_bytes);
	if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
		return refuse(defect, "the text begins with a byte order mark");
	count = count_brackets(bytes, len);
	if (count.deepest > MAX_DEPTH)
		return refuse(defect, "the text is nested deeper than the format");
	if (count.lists > 1)
		return refuse(defect, "the text has more lists than the one of the format");
	if (count.objects > (size_t)limits->max_components + 1)
		return refuse(defect, "there are more than %u components", limits->max_components);
	return 0;
}

/* Second gate: JSON. jansson's own message repeats client bytes, so it is not used. */

static const char *
json_defect(enum json_error_code code)
{
	switch (code) {
	case json_error_invalid_utf8:
		return "the text is not valid UTF-8";
	case json_error_premature_end_of_input:
		return "the text ends too early";
	case json_error_end_of_input_expected:
		return "something follows the end of the snapshot";
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return "a string holds a NUL";
	case json_error_duplicate_key:
		return "a key is repeated";
	case json_error_numeric_overflow:
		return "a number is out of range";
	default:
		return "the text is not valid JSON";
	}
}

static json_t *
parse(const char *bytes, size_t len, char *defect)
{
	json_error_t error;
	json_t *root;

	root = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL) {
		if (json_error_code(&error) == json_error_out_of_memory)
			abort();
		refuse(defect, "%s at line %d, column %d", json_defect(json_error_code(&error)),
		    error.line, error.column);
	}
	return root;
}

/* Third gate: the exact keys. */

static bool
key_may_be_shown(const char *key)
{
	size_t len = strlen(key);

	if (len == 0 || len > MAX_KEY_SHOWN)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (key[i] < '!' || key[i] > '~' || key[i] == '"' || key[i] == '\\')
			return false;
	}
	return true;
}

static bool
is_one_of(const char *key, const char *const *keys)
{
	for (; *keys != NULL; keys++) {
		if (strcmp(key, *keys) == 0)
			return true;
	}
	return false;
}

/* KEYS ends with NULL. PLACE is what the defect calls the object: "the snapshot". */
static int
check_keys(json_t *object, const char *place, const char *const *keys, char *defect)
{
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return refuse(defect, "%s is not an object", place);
	json_object_foreach(object, key, value)
	{
		if (is_one_of(key, keys))
			continue;
		if (key_may_be_shown(key))
			return refuse(defect, "%s has an unknown key \"%s\"", place, key);
		return refuse(defect, "%s has an unknown key", place);
	}
	for (; *keys != NULL; keys++) {
		if (json_object_get(object, *keys) == NULL)
			return refuse(defect, "%s has no key \"%s\"", place, *keys);
	}
	return 0;
}

/* Fourth gate: values, byte by byte, independent of any locale. */

/* Returns the string KEY of OBJECT when IS_VALID says so; else NULL, with DEFECT filled. */
static const char *
get_value(json_t *object, const char *place, const char *key,
    bool (*is_valid)(const char *text, size_t len), char *defect)
{
	json_t *value = json_object_get(object, key);

	if (!json_is_string(value)) {
		refuse(defect, "\"%s\" of %s is not a string", key, place);
		return NULL;
	}
	if (!is_valid(json_string_value(value), json_string_length(value))) {
		refuse(defect, "\"%s\" of %s is too long or has a character that is not allowed",
		    key, place);
		return NULL;
	}
	return json_string_value(value);
}

static bool
is_format(const char *text, size_t len)
{
	return len == strlen(format_name) && memcmp(text, format_name, len) == 0;
}

static int
check_head(json_t *root, const struct snapshot_limits *limits, char *defect)
{
	static const char *const keys[] = {"components", "format", "system", NULL};
	static const char place[] = "the snapshot";
	json_t *format, *list;

	if (check_keys(root, place, keys, defect) != 0)
		return -1;
	format = json_object_get(root, "format");
	if (!json_is_string(format) ||
	    !is_format(json_string_value(format), json_string_length(format)))
		return refuse(defect, "\"format\" of %s is not \"%s\"", place, format_name);
	if (get_value(root, place, "system", path_is_snapshot_name, defect) == NULL)
		return -1;
	list = json_object_get(root, "components");
	if (!json_is_array(list))
		return refuse(defect, "\"components\" of %s is not a list", place);
	if (json_array_size(list) > limits->max_components)
		return refuse(defect, "there are more than %u components", limits->max_components);
	return 0;
}

static int
read_component(json_t *object, size_t position, struct component *component, char *defect)
{
	static const char *const keys[] = {"name", "version", NULL};
	char place[MAX_PLACE];

	snprintf(place, sizeof place, "components[%zu]", position);
	if (check_keys(object, place, keys, defect) != 0)
		return -1;
	component->position = position;
	component->name = get_value(object, place, "name", component_is_name, defect);
	if (component->name == NULL)
		return -1;
	component->version = get_value(object, place, "version", component_is_version, defect);
	return component->version == NULL ? -1 : 0;
}

static int
compare_components(const void *left, const void *right)
{
	const struct component *a = left, *b = right;
	int order = strcmp(a->name, b->name);

	if (order != 0)
		return order;
	return (a->position > b->position) - (a->position < b->position);
}

static int
check_names_differ(const struct component *components, size_t count, char *defect)
{
	for (size_t i = 1; i < count; i++) {
		if (strcmp(components[i - 1].name, components[i].name) == 0)
			return refuse(defect,
			    "components[%zu] and components[%zu] have the same name",
			    components[i - 1].position, components[i].position);
	}
	return 0;
}

/* Reads the list into COMPONENTS, which has room for all of it, and sorts it by name. */
static int
read_components(json_t *list, struct component *components, char *defect)
{
	size_t count = json_array_size(list);

	for (size_t i = 0; i < count; i++) {
		if (read_component(json_array_get(list, i), i, &components[i], defect) != 0)
			return -1;
	}
	qsort(components, count, sizeof *components, compare_components);
	return check_names_differ(components, count, defect);
}

/* The canonical text, from checked values only. */

static void
append(struct writer *writer, const char *text)
{
	size_t len = strlen(text);

	assert(len < writer->size - writer->len);
	memcpy(writer->text + writer->len, text, len + 1);
	writer->len += len;
}

static void
append_value(struct writer *writer, const char *value)
{
	for (const char *c = value; *c != '\0'; c++)
		assert(*c > ' ' && *c <= '~' && *c != '"' && *c != '\\');
	append(writer, "\"");
	append(writer, value);
	append(writer, "\"");
}

static void
append_component(struct writer *writer, const struct component *component)
{
	append(writer, "{\"name\":");
	append_value(writer, component->name);
	append(writer, ",\"version\":");
	append_value(writer, component->version);
	append(writer, "}");
}

/* SIZE must suffice: the length of the client's text does, plus the newline and the NUL, for
 * that text holds each byte of the canonical one. */
static char *
compose(
    const char *system, const struct component *components, size_t count, size_t size, size_t *len)
{
	struct writer writer = {.text = malloc(size), .size = size};

	if (writer.text == NULL)
		abort();
	append(&writer, "{\"components\":[");
	for (size_t i = 0; i < count; i++) {
		append(&writer, i == 0 ? "" : ",");
		append_component(&writer, &components[i]);
	}
	append(&writer, "],\"format\":");
	append_value(&writer, format_name);
	append(&writer, ",\"system\":");
	append_value(&writer, system);
	append(&writer, "}\n");
	*len = writer.len;
	return writer.text;
}

static int
write_anew(json_t *root, size_t client_len, struct snapshot *snapshot, char *defect)
{
	json_t *list = json_object_get(root, "components");
	const char *system = json_string_value(json_object_get(root, "system"));
	size_t count = json_array_size(list);
	struct component *components;
	int result;

	components = calloc(count + 1, sizeof *components);
	if (components == NULL)
		abort();
	result = read_components(list, components, defect);
	if (result == 0) {
		snapshot->text = compose(system, components, count, client_len + 2, &snapshot->len);
		snapshot->components = (uint32_t)count;
		digest_sha256_hex(snapshot->text, snapshot->len, snapshot->sha256);
	}
	free(components);
	return result;
}

void
snapshot_prepare(void)
{
	json_object_seed(0);
}

int
snapshot_canonicalise(const char *bytes, size_t len, const struct snapshot_limits *limits,
    struct snapshot *snapshot, char defect[SNAPSHOT_DEFECT_MAX])
{
	json_t *root;
	int result;

	assert(limits->max_bytes <= SNAPSHOT_MAX_BYTES);
	assert(limits->max_components <= SNAPSHOT_MAX_COMPONENTS);
	*snapshot = (struct snapshot){0};
	if (check_shape(bytes, len, limits, defect) != 0)
		return -1;
	root = parse(bytes, len, defect);
	if (root == NULL)
		return -1;
	result = check_head(root, limits, defect);
	if (result == 0)
		result = write_anew(root, len, snapshot, defect);
	json_decref(root);
	return result;
}

void
snapshot_fini(struct snapshot *snapshot)
{
	free(snapshot->text);
	snapshot->text = NULL;
}
