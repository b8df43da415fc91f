/*
 * A hash table from text to a number, for finding what is named twice.
 *
 * Keys are borrowed and must outlive the map. All functions abort when memory is exhausted.
 */
#ifndef BASE_STRING_MAP_H
#define BASE_STRING_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct string_map;

struct string_map *string_map_new(void);
void string_map_free(struct string_map *self);

/* Adds KEY with VALUE and returns true; when KEY is there already, leaves it alone, sets *PRESENT
 * to its value and returns false. */
bool string_map_add(struct string_map *self, const char *key, uint64_t value, uint64_t *present);

/* Sets *VALUE and returns true when KEY is in the map. */
bool string_map_find(const struct string_map *self, const char *key, uint64_t *value);

#endif
