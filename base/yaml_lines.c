/*
 * An index from paths to lines, made by one pass over the YAML events.
 *
 * A policy may have millions of values and as many mistakes, so finding the ten-thousandth entry
 * of a list must not count from the first. Each list or mapping keeps its children as one run in
 * a common array; children that are still being collected wait on a stack.
 */
#include "yaml_lines.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { NO_KEY = UINT32_MAX >> 1 };

struct node {
	uint32_t line;
	uint32_t key;         /* offset into the key texts, or NO_KEY in a list */
	uint32_t first_child; /* offset into the children */
	uint32_t child_count;
};

/* An array that grows; LEN and CAPACITY count elements. */
struct array {
	void *elements;
	size_t len;
	size_t capacity;
};

/* A list or mapping whose end has not come yet. */
struct open {
	uint32_t node;
	uint32_t first_pending;
	bool is_mapping;
	uint32_t key; /* of the value that comes next; NO_KEY: a key comes next */
};

struct yaml_lines {
	char *bytes;
	size_t len;
	bool built;
	struct array nodes;    /* struct node, the document's value first */
	struct array children; /* uint32_t, node numbers */
	struct array keys;     /* char, NUL-terminated texts */
	struct array pending;  /* uint32_t, node numbers */
	struct array open;     /* struct open */
};

struct yaml_lines *
yaml_lines_new(const char *bytes, size_t len)
{
	struct yaml_lines *self = calloc(1, sizeof *self);
	char *copy = malloc(len + 1);
	if (self == NULL || copy == NULL)
		abort();
	memcpy(copy, bytes, len);
	self->bytes = copy;
	self->len = len;
	return self;
}

void
yaml_lines_free(struct yaml_lines *self)
{
	if (self == NULL)
		return;
	free(self->nodes.elements);
	free(self->children.elements);
	free(self->keys.elements);
	free(self->pending.elements);
	free(self->open.elements);
	free(self->bytes);
	free(self);
}

/* Appends COUNT elements of SIZE bytes; returns the place of the first. */
static uint32_t
append(struct array *array, const void *elements, size_t count, size_t size)
{
	if (array->len + count > array->capacity) {
		size_t capacity = 2 * (array->capacity + count) + 64;
		array->elements = reallocarray(array->elements, capacity, size);
		if (array->elements == NULL)
			abort();
		array->capacity = capacity;
	}
	size_t place = array->len;
	if (count > 0)
		memcpy((char *)array->elements + place * size, elements, count * size);
	array->len += count;
	assert(array->len < NO_KEY);
	return (uint32_t)place;
}

static struct node *
node_at(const struct yaml_lines *self, uint32_t number)
{
	assert(number < self->nodes.len);
	return (struct node *)self->nodes.elements + number;
}

static struct open *
innermost(const struct yaml_lines *self)
{
	return self->open.len == 0 ? NULL : (struct open *)self->open.elements + self->open.len - 1;
}

/* True when EVENT begins, and a scalar is, a key of the innermost mapping. */
static bool
is_key(const struct yaml_lines *self)
{
	const struct open *open = innermost(self);
	return open != NULL && open->is_mapping && open->key == NO_KEY;
}

static uint32_t
add_node(struct yaml_lines *self, const yaml_event_t *event)
{
	struct node node = {.line = (uint32_t)event->start_mark.line + 1, .key = NO_KEY};
	struct open *open = innermost(self);
	if (open != NULL && open->is_mapping) {
		node.key = open->key;
		open->key = NO_KEY;
	}
	uint32_t number = append(&self->nodes, &node, 1, sizeof node);
	if (open != NULL)
		append(&self->pending, &number, 1, sizeof number);
	return number;
}

static void
on_scalar(struct yaml_lines *self, const yaml_event_t *event)
{
	if (is_key(self))
		innermost(self)->key =
		    append(&self->keys, event->data.scalar.value, event->data.scalar.length + 1, 1);
	else
		add_node(self, event);
}

static void
on_start(struct yaml_lines *self, const yaml_event_t *event, bool is_mapping)
{
	struct open open = {.is_mapping = is_mapping, .key = NO_KEY};
	if (is_key(self)) /* a key that is no word: give it a name nobody asks for */
		innermost(self)->key = append(&self->keys, "", 1, 1);
	open.node = add_node(self, event);
	open.first_pending = (uint32_t)self->pending.len;
	append(&self->open, &open, 1, sizeof open);
}

static void
on_end(struct yaml_lines *self)
{
	const struct open *open = innermost(self);
	struct node *node = node_at(self, open->node);
	const uint32_t *first = self->pending.elements; /* NULL when nothing was ever pending */
	size_t count = self->pending.len - open->first_pending;
	if (count > 0)
		first += open->first_pending;
	node->first_child = append(&self->children, first, count, sizeof *first);
	node->child_count = (uint32_t)count;
	self->pending.len = open->first_pending;
	self->open.len--;
}

/* Returns false at the end of the stream. */
static bool
on_event(struct yaml_lines *self, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		on_scalar(self, event);
		return true;
	case YAML_SEQUENCE_START_EVENT:
		on_start(self, event, false);
		return true;
	case YAML_MAPPING_START_EVENT:
		on_start(self, event, true);
		return true;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		on_end(self);
		return true;
	case YAML_STREAM_END_EVENT:
		return false;
	default:
		return true;
	}
}

static void
build(struct yaml_lines *self)
{
	yaml_parser_t parser;
	if (!yaml_parser_initialize(&parser))
		abort();
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)self->bytes, self->len);
	for (bool more = true; more;) {
		yaml_event_t event;
		if (!yaml_parser_parse(&parser, &event))
			break;
		more = on_event(self, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	self->built = true;
}

static const struct node *
child_at(const struct yaml_lines *self, const struct node *node, size_t index)
{
	const uint32_t *children = self->children.elements;
	return node_at(self, children[node->first_child + index]);
}

static const struct node *
child_by_key(const struct yaml_lines *self, const struct node *node, const char *key, size_t len)
{
	for (size_t i = 0; i < node->child_count; i++) {
		const struct node *child = child_at(self, node, i);
		if (child->key == NO_KEY)
			return NULL;
		const char *text = (const char *)self->keys.elements + child->key;
		if (strlen(text) == len && memcmp(text, key, len) == 0)
			return child;
	}
	return NULL;
}

/* Takes one step, "[3]" or ".key", off PATH; NULL when NODE has no such child. */
static const struct node *
step(const struct yaml_lines *self, const struct node *node, const char **path)
{
	if (**path == '[') {
		char *end;
		size_t index = strtoul(*path + 1, &end, 10);
		assert(*end == ']');
		*path = end + 1;
		return index < node->child_count ? child_at(self, node, index) : NULL;
	}
	if (**path == '.')
		++*path;
	const char *key = *path;
	size_t len = strcspn(key, ".[");
	*path += len;
	return child_by_key(self, node, key, len);
}

size_t
yaml_lines_find(struct yaml_lines *self, const char *path)
{
	if (!self->built)
		build(self);
	if (self->nodes.len == 0)
		return 1;
	const struct node *node = node_at(self, 0);
	while (*path != '\0') {
		const struct node *child = step(self, node, &path);
		if (child == NULL)
			break;
		node = child;
	}
	return node->line;
}
