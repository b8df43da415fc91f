/* The servers of the store: which of them is next. */
#include "store_servers.h"

#include <assert.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "store_server_private.h"

struct store_servers {
	struct store_shared shared;
	size_t next; /* whose turn it is among equals */
	struct store_server *servers;
};

/* ---- which one ---- */

struct store_server *
store_servers_pick(struct store_servers *self, uint64_t *tried)
{
	struct store_server *chosen = NULL;

	assert(self->next < self->shared.count);
	for (size_t i = 0; i < self->shared.count; i++) {
		struct store_server *server = &self->servers[(self->next + i) % self->shared.count];
		if ((*tried & store_server_bit(server)) != 0)
			continue;
		if (chosen == NULL || store_server_badness(server) < store_server_badness(chosen))
			chosen = server;
	}
	if (chosen == NULL)
		return NULL;
	*tried |= store_server_bit(chosen);
	if (chosen->state != SERVER_UNREACHABLE)
		self->next = (chosen->index + 1) % self->shared.count;
	return chosen;
}

bool
store_servers_is_available(const struct store_servers *self)
{
	for (size_t i = 0; i < self->shared.count; i++)
		if (self->servers[i].state != SERVER_UNREACHABLE && !self->servers[i].check_failed)
			return true;
	return false;
}

bool
store_servers_has_untried(const struct store_servers *self, uint64_t tried)
{
	for (size_t i = 0; i < self->shared.count; i++)
		if ((tried & store_server_bit(&self->servers[i])) == 0)
			return true;
	return false;
}

bool
store_servers_has_good(const struct store_servers *self)
{
	for (size_t i = 0; i < self->shared.count; i++)
		if (self->servers[i].state == SERVER_GOOD)
			return true;
	return false;
}

/* ---- all of them ---- */

void
store_servers_on_lost(struct store_servers *self, void (*fn)(void *arg), void *arg)
{
	self->shared.on_lost = fn;
	self->shared.arg = arg;
}

bool
store_servers_move(
    struct store_servers *self, size_t index, const struct config_endpoints *endpoints)
{
	assert(index < self->shared.count);
	return store_server_move(&self->servers[index], endpoints);
}

struct store_servers *
store_servers_new(struct ev_loop *loop, const struct config *config,
    const struct store_access *access, struct metrics *metrics, unsigned worker)
{
	struct store_servers *self = buffer_alloc(sizeof *self);

	assert(config->store_count > 0 && config->store_count <= CONFIG_STORES_MAX);
	self->shared = (struct store_shared){.loop = loop,
	    .config = config,
	    .access = access,
	    .metrics = metrics,
	    .worker = worker,
	    .count = config->store_count};
	self->servers = buffer_alloc(self->shared.count * sizeof *self->servers);
	for (unsigned i = 0; i < self->shared.count; i++)
		store_server_init(&self->servers[i], &self->shared, i);
	return self;
}

void
store_servers_retire(struct store_servers *self)
{
	assert(!self->shared.retired);
	self->shared.retired = true;
	for (size_t i = 0; i < self->shared.count; i++) {
		struct store_server *server = &self->servers[i];
		store_server_stop(server);
		metrics_set_store_passed_over(
		    self->shared.metrics, self->shared.worker, server->store->slot, false);
	}
}

void
store_servers_free(struct store_servers *self)
{
	if (self == NULL)
		return;
	for (size_t i = 0; i < self->shared.count; i++) {
		store_server_stop(&self->servers[i]);
		store_server_fini(&self->servers[i]);
	}
	free(self->servers);
	free(self);
}
