/* The canonical text. The one hard part is that it must be the gate's to the byte: what could need
 * an escape in JSON is refused before, as the gate does. */
#include "inventory.h"

#include <stdlib.h>
#include <string.h>

#include "base/component.h"
#include "base/path.h"

void
inventory_fini(struct inventory *self)
{
	for (size_t i = 0; i < self->count; i++) {
		free(self->components[i].name);
		free(self->components[i].version);
		free(self->components[i].where);
	}
	free(self->components);
	*self = (struct inventory){0};
}

bool
inventory_is_name(const char *name)
{
	return path_is_snapshot_name(name, strlen(name));
}

bool
inventory_add(struct inventory *self, const char *name, const char *version, const char *where,
    struct failure *failure)
{
	if (!component_is_name(name, strlen(name)))
		return failure_set(failure, FAILURE_SNAPSHOT,
		    "%s: not a name that a snapshot may hold: %s", where, name);
	if (!component_is_version(version, strlen(version)))
		return failure_set(failure, FAILURE_SNAPSHOT,
		    "%s: not a version that a snapshot may hold: %s", where, version);
	if (self->count == self->capacity) {
		self->capacity = self->capacity * 2 + 16;
		self->components =
		    realloc(self->components, self->capacity * sizeof *self->components);
		if (self->components == NULL)
			abort();
	}
	self->components[self->count++] = (struct inventory_component){
	    buffer_strdup(name), buffer_strdup(version), buffer_strdup(where)};
	return true;
}

static int
compare(const void *a, const void *b)
{
	const struct inventory_component *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	if (order == 0)
		order = strcmp(x->version, y->version);
	return order != 0 ? order : strcmp(x->where, y->where);
}

static void
sort(struct inventory *self)
{
	if (self->count > 0)
		qsort(self->components, self->count, sizeof *self->components, compare);
}

/* The neighbours, of one name, that stand in each other's way. */
static bool
fail(const struct inventory_component *a, struct failure *failure)
{
	const struct inventory_component *b = a + 1;

	return failure_set(failure, FAILURE_SNAPSHOT,
	    "%s is there twice, as %s in %s and as %s in %s", a->name, a->version, a->where,
	    b->version, b->where);
}

bool
inventory_sort(struct inventory *self, struct failure *failure)
{
	sort(self);
	for (size_t i = 1; i < self->count; i++) {
		const struct inventory_component *a = &self->components[i - 1];
		if (strcmp(a[0].name, a[1].name) == 0)
			return fail(a, failure);
	}
	return true;
}

bool
inventory_print(
    const struct inventory *self, const char *system, struct buffer *out, struct failure *failure)
{
	if (self->count > INVENTORY_MAX_COMPONENTS)
		return failure_set(failure, FAILURE_SNAPSHOT,
		    "%zu components are more than the %d of a snapshot", self->count,
		    INVENTORY_MAX_COMPONENTS);
	buffer_printf(out, "{\"components\":[");
	for (size_t i = 0; i < self->count; i++) {
		const struct inventory_component *it = &self->components[i];
		buffer_printf(out, "%s{\"name\":\"%s\",\"version\":\"%s\"}", i > 0 ? "," : "",
		    it->name, it->version);
	}
	buffer_printf(out, "],\"format\":\"thin-snapshot/1\",\"system\":\"%s\"}\n", system);
	return buffer_size(out) <= INVENTORY_MAX_BYTES ||
	       failure_set(failure, FAILURE_SNAPSHOT,
	           "the snapshot would have %zu bytes, and %d is the most", buffer_size(out),
	           INVENTORY_MAX_BYTES);
}
