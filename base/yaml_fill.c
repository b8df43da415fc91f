/*
 * Filling of structures. The hard part is to keep to the layout of the schema: a list is a pointer
 * to its entries and a count, which is right at every moment, so that half a file can be freed.
 */
#include "yaml_fill.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Texts of a few bytes each: one call of malloc() for thousands of them. */
enum { CHUNK_SIZE = 1 << 16 };

struct chunk {
	struct chunk *next;
	size_t used;
	size_t size;
	char bytes[];
};

struct yaml_fill_texts {
	struct chunk *first; /* the newest */
};

static void *
never_null(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

static bool
is_pointer(const cyaml_schema_value_t *schema)
{
	return (schema->flags & CYAML_FLAG_POINTER) != 0;
}

/* What an entry takes in its list. */
static size_t
entry_size(const cyaml_schema_value_t *entry)
{
	return is_pointer(entry) ? sizeof(void *) : entry->data_size;
}

static bool can_value(const cyaml_schema_value_t *schema);

static bool
can_fields(const cyaml_schema_field_t *fields)
{
	for (; fields->key != NULL; fields++) {
		bool list = fields->value.type == CYAML_SEQUENCE;
		if (!can_value(&fields->value) || (list && fields->count_size != sizeof(uint32_t)))
			return false;
	}
	return true;
}

static bool
can_value(const cyaml_schema_value_t *schema)
{
	switch (schema->type) {
	case CYAML_STRING:
		return is_pointer(schema);
	case CYAML_SEQUENCE:
		return is_pointer(schema) && schema->sequence.entry->type != CYAML_SEQUENCE &&
		       can_value(schema->sequence.entry);
	case CYAML_MAPPING:
		return can_fields(schema->mapping.fields);
	default:
		return false;
	}
}

bool
yaml_fill_can(const cyaml_schema_value_t *schema)
{
	return schema->type == CYAML_MAPPING && is_pointer(schema) && can_value(schema);
}

struct yaml_fill_texts *
yaml_fill_texts_new(void)
{
	return never_null(calloc(1, sizeof(struct yaml_fill_texts)));
}

void
yaml_fill_texts_free(struct yaml_fill_texts *self)
{
	if (self == NULL)
		return;
	while (self->first != NULL) {
		struct chunk *next = self->first->next;
		free(self->first);
		self->first = next;
	}
	free(self);
}

/* SIZE bytes that stay where they are. */
static char *
reserve(struct yaml_fill_texts *self, size_t size)
{
	struct chunk *chunk = self->first;
	if (chunk == NULL || chunk->size - chunk->used < size) {
		size_t bytes = size > CHUNK_SIZE ? size : CHUNK_SIZE;
		chunk = never_null(malloc(sizeof *chunk + bytes));
		*chunk = (struct chunk){.next = self->first, .size = bytes};
		self->first = chunk;
	}
	chunk->used += size;
	return chunk->bytes + chunk->used - size;
}

void
yaml_fill_text(struct yaml_fill place, struct yaml_fill_texts *texts, const void *text, size_t len)
{
	if (place.value == NULL)
		return;
	char *copy = reserve(texts, len + 1);
	memcpy(copy, text, len);
	copy[len] = '\0';
	memcpy(place.value, &copy, sizeof copy);
}

void *
yaml_fill_structure(struct yaml_fill place, const cyaml_schema_value_t *schema)
{
	if (place.value == NULL || !is_pointer(schema))
		return place.value;
	void *structure = never_null(calloc(1, schema->data_size));
	memcpy(place.value, &structure, sizeof structure);
	return structure;
}

struct yaml_fill
yaml_fill_field(void *structure, const cyaml_schema_field_t *field)
{
	if (structure == NULL)
		return (struct yaml_fill){0};
	char *bytes = structure;
	void *count = field->value.type == CYAML_SEQUENCE ? bytes + field->count_offset : NULL;
	return (struct yaml_fill){.value = bytes + field->data_offset, .count = count};
}

struct yaml_fill
yaml_fill_entry(struct yaml_fill place, const cyaml_schema_value_t *schema)
{
	if (place.value == NULL)
		return (struct yaml_fill){0};
	size_t size = entry_size(schema->sequence.entry), count = *place.count;
	assert(count < UINT32_MAX);
	char *entries;
	memcpy(&entries, place.value, sizeof entries);
	/* Full at each power of two. */
	if ((count & (count - 1)) == 0) {
		entries = never_null(reallocarray(entries, count == 0 ? 1 : 2 * count, size));
		memcpy(place.value, &entries, sizeof entries);
	}
	memset(entries + count * size, 0, size);
	++*place.count;
	return (struct yaml_fill){.value = entries + count * size};
}

static void free_value(struct yaml_fill place, const cyaml_schema_value_t *schema);

static void
free_list(struct yaml_fill place, const cyaml_schema_value_t *schema)
{
	const cyaml_schema_value_t *entry = schema->sequence.entry;
	char *entries;
	assert(place.count != NULL);
	memcpy(&entries, place.value, sizeof entries);
	for (uint32_t i = 0; entry->type == CYAML_MAPPING && i < *place.count; i++)
		free_value((struct yaml_fill){.value = entries + i * entry_size(entry)}, entry);
	free(entries);
}

static void
free_mapping(struct yaml_fill place, const cyaml_schema_value_t *schema)
{
	const cyaml_schema_field_t *fields = schema->mapping.fields;
	void *structure = place.value;
	if (is_pointer(schema))
		memcpy(&structure, place.value, sizeof structure);
	for (size_t i = 0; structure != NULL && fields[i].key != NULL; i++)
		free_value(yaml_fill_field(structure, &fields[i]), &fields[i].value);
	if (is_pointer(schema))
		free(structure);
}

static void
free_value(struct yaml_fill place, const cyaml_schema_value_t *schema)
{
	if (schema->type == CYAML_SEQUENCE)
		free_list(place, schema);
	else if (schema->type == CYAML_MAPPING)
		free_mapping(place, schema);
}

void
yaml_fill_free(const cyaml_schema_value_t *schema, void *data)
{
	free_value((struct yaml_fill){.value = &data}, schema);
}
