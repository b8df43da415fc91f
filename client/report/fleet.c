/* A fleet. The one hard part is its size: ten thousand systems with a thousand components each must
 * fit into memory, so that texts are kept once, and numbers stand for them. */
#include "fleet.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/string_map.h"
#include "version_order.h"

struct fleet *
fleet_new(void)
{
	struct fleet *self = buffer_alloc(sizeof *self);

	self->by_name = string_map_new();
	self->by_key = string_map_new();
	return self;
}

void
fleet_free(struct fleet *self)
{
	if (self == NULL)
		return;
	for (size_t i = 0; i < self->system_count; i++) {
		free(self->systems[i].customer);
		free(self->systems[i].name);
		free(self->systems[i].runs);
	}
	for (size_t i = 0; i < self->component_count; i++) {
		free(self->components[i].name);
		free(self->components[i].newest);
	}
	for (size_t i = 0; i < self->version_count; i++)
		free(self->versions[i].key);
	string_map_free(self->by_name);
	string_map_free(self->by_key);
	free(self->systems);
	free(self->components);
	free(self->versions);
	free(self);
}

/* LIST of COUNT entries of SIZE bytes, with room for one more. It doubles whenever COUNT is a power
 * of two. */
static void *
grow(void *list, size_t count, size_t size)
{
	if ((count & (count - 1)) != 0)
		return list;
	list = reallocarray(list, count == 0 ? 1 : 2 * count, size);
	if (list == NULL)
		abort();
	return list;
}

static uint32_t
find_component(struct fleet *self, const char *name)
{
	uint64_t found;

	if (string_map_find(self->by_name, name, &found))
		return (uint32_t)found;
	self->components = grow(self->components, self->component_count, sizeof *self->components);
	struct fleet_component *component = &self->components[self->component_count];
	*component = (struct fleet_component){.name = buffer_strdup(name)};
	string_map_add(self->by_name, component->name, self->component_count, &found);
	assert(self->component_count < UINT32_MAX);
	return (uint32_t)self->component_count++;
}

static uint32_t
find_version(struct fleet *self, const char *name, const char *text)
{
	char *key = buffer_text("%s %s", name, text);
	uint64_t found;

	if (!string_map_add(self->by_key, key, self->version_count, &found)) {
		free(key);
		return (uint32_t)found;
	}
	self->versions = grow(self->versions, self->version_count, sizeof *self->versions);
	self->versions[self->version_count] = (struct fleet_version){
	    .key = key,
	    .text = key + strlen(name) + 1,
	    .component = find_component(self, name),
	};
	assert(self->version_count < UINT32_MAX);
	return (uint32_t)self->version_count++;
}

void
fleet_add(struct fleet *self, const char *customer, const char *name, time_t seen,
    const struct inventory *inventory)
{
	struct fleet_system system = {
	    .customer = buffer_strdup(customer),
	    .name = buffer_strdup(name),
	    .seen = seen,
	    .runs = buffer_alloc_list(inventory->count, sizeof *system.runs),
	    .count = inventory->count,
	};

	for (size_t i = 0; i < inventory->count; i++)
		system.runs[i] = find_version(
		    self, inventory->components[i].name, inventory->components[i].version);
	self->systems = grow(self->systems, self->system_count, sizeof *self->systems);
	self->systems[self->system_count++] = system;
}

static int
compare_systems(const void *a, const void *b)
{
	const struct fleet_system *x = a, *y = b;
	int order = strcmp(x->customer, y->customer);

	return order != 0 ? order : strcmp(x->name, y->name);
}

/* The newest that runs somewhere, of each component that has no newest version yet. */
static void
find_newest(struct fleet *self)
{
	const char **newest = buffer_alloc_list(self->component_count, sizeof *newest);

	for (size_t i = 0; i < self->version_count; i++) {
		const struct fleet_version *version = &self->versions[i];
		const char **best = &newest[version->component];
		if (*best == NULL || version_order_compare(version->text, *best) > 0)
			*best = version->text;
	}
	for (size_t i = 0; i < self->component_count; i++) {
		if (self->components[i].newest == NULL)
			self->components[i].newest = buffer_strdup(newest[i]);
	}
	free(newest);
}

static void
mark_bad(struct fleet *self, const struct inventory_component *bad)
{
	uint64_t component;

	if (!string_map_find(self->by_name, bad->name, &component))
		return;
	for (size_t i = 0; i < self->version_count; i++) {
		struct fleet_version *version = &self->versions[i];
		if (version->component == component &&
		    version_order_compare(version->text, bad->version) == 0)
			version->bad = true;
	}
}

void
fleet_settle(struct fleet *self, const struct inventory *newest, const struct inventory *bad)
{
	uint64_t found;

	if (self->system_count > 0)
		qsort(self->systems, self->system_count, sizeof *self->systems, compare_systems);
	for (size_t i = 0; i < newest->count; i++) {
		if (string_map_find(self->by_name, newest->components[i].name, &found))
			self->components[found].newest =
			    buffer_strdup(newest->components[i].version);
	}
	find_newest(self);
	for (size_t i = 0; i < self->version_count; i++) {
		struct fleet_version *version = &self->versions[i];
		version->order = version_order_compare(
		    version->text, self->components[version->component].newest);
	}
	for (size_t i = 0; i < bad->count; i++)
		mark_bad(self, &bad->components[i]);
}

const char *
fleet_state(const struct fleet_version *version)
{
	if (version->order == 0)
		return "newest";
	return version->order < 0 ? "older" : "newer";
}
