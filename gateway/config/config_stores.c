/* The stores of two configurations. The one hard part: what one store has counted must never be
 * taken for another's, so a slot that becomes free stays so for the next configuration. */
#include "config_stores.h"

#include <assert.h>
#include <string.h>

const struct config_store *
config_stores_find(const struct config *self, const char *name)
{
	for (size_t i = 0; self != NULL && i < self->store_count; i++)
		if (strcmp(self->stores[i].name, name) == 0)
			return &self->stores[i];
	return NULL;
}

bool
config_stores_have_slot(const struct config *self, unsigned slot)
{
	for (size_t i = 0; i < self->store_count; i++)
		if (self->stores[i].slot == slot)
			return true;
	return false;
}

void
config_stores_number(struct config *self, const struct config *before)
{
	unsigned next = 0;

	for (size_t i = 0; i < self->store_count; i++) {
		struct config_store *store = &self->stores[i];
		const struct config_store *same = config_stores_find(before, store->name);
		if (same != NULL) {
			store->slot = same->slot;
			continue;
		}
		while (before != NULL && config_stores_have_slot(before, next))
			next++;
		assert(next < CONFIG_SLOTS);
		store->slot = next++;
	}
}

static bool
is_same_store(const struct config_store *a, const struct config_store *b)
{
	return strcmp(a->name, b->name) == 0 && a->slot == b->slot;
}

static bool
is_same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
is_same_time(double a, double b)
{
	return !(a < b) && !(b < a);
}

bool
config_stores_are_same(const struct config *a, const struct config *b)
{
	if (a->store_count != b->store_count || !is_same_text(a->probe, b->probe) ||
	    !is_same_text(a->store_host, b->store_host) ||
	    !is_same_text(a->store_name, b->store_name) ||
	    a->store_eject_after != b->store_eject_after ||
	    !is_same_time(a->store_eject_time, b->store_eject_time) ||
	    !is_same_time(a->timeouts.store_connect, b->timeouts.store_connect))
		return false;
	for (size_t i = 0; i < a->store_count; i++)
		if (!is_same_store(&a->stores[i], &b->stores[i]))
			return false;
	return true;
}
