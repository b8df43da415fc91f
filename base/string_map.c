/*
 * An open-addressing hash table that only grows.
 */
#include "string_map.h"

#include <stdlib.h>
#include <string.h>

struct slot {
	const char *key; /* NULL: free */
	uint64_t value;
};

struct string_map {
	struct slot *slots;
	size_t count;
	size_t capacity; /* a power of two, at most half full */
};

enum { FIRST_CAPACITY = 64 };

static struct slot *
new_slots(size_t capacity)
{
	struct slot *slots = calloc(capacity, sizeof *slots);
	if (slots == NULL)
		abort();
	return slots;
}

struct string_map *
string_map_new(void)
{
	struct string_map *self = malloc(sizeof *self);
	if (self == NULL)
		abort();
	*self = (struct string_map){.slots = new_slots(FIRST_CAPACITY), .capacity = FIRST_CAPACITY};
	return self;
}

void
string_map_free(struct string_map *self)
{
	if (self == NULL)
		return;
	free(self->slots);
	free(self);
}

/* FNV-1a. */
static uint64_t
hash(const char *key)
{
	uint64_t value = UINT64_C(0xcbf29ce484222325);
	for (; *key != '\0'; key++)
		value = (value ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
	return value ^ value >> 32;
}

/* The slot that holds KEY, or the free one where it belongs. */
static struct slot *
slot_for(struct slot *slots, size_t capacity, const char *key)
{
	size_t at = hash(key) & (capacity - 1);
	while (slots[at].key != NULL && strcmp(slots[at].key, key) != 0)
		at = (at + 1) & (capacity - 1);
	return &slots[at];
}

static void
grow(struct string_map *self)
{
	size_t capacity = 2 * self->capacity;
	struct slot *slots = new_slots(capacity);
	for (size_t i = 0; i < self->capacity; i++) {
		if (self->slots[i].key != NULL)
			*slot_for(slots, capacity, self->slots[i].key) = self->slots[i];
	}
	free(self->slots);
	self->slots = slots;
	self->capacity = capacity;
}

bool
string_map_add(struct string_map *self, const char *key, uint64_t value, uint64_t *present)
{
	struct slot *slot = slot_for(self->slots, self->capacity, key);
	if (slot->key != NULL) {
		*present = slot->value;
		return false;
	}
	*slot = (struct slot){.key = key, .value = value};
	self->count++;
	if (2 * self->count > self->capacity)
		grow(self);
	return true;
}

bool
string_map_find(const struct string_map *self, const char *key, uint64_t *value)
{
	const struct slot *slot = slot_for(self->slots, self->capacity, key);
	if (slot->key == NULL)
		return false;
	*value = slot->value;
	return true;
}
