/* The store of mirrorgate.yaml. The one hard part: what all servers share may depend on what one of
 * them is, so the servers are read first. */
#include "config_store_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/path.h"
#include "config_address.h"
#include "config_stores.h"

enum { MAX_KEY = 48 }; /* "store.servers[N]" with any N, and a NUL */

static void
load_server(struct config_loader *self, const char *url, size_t i)
{
	struct config *config = self->config;
	struct config_store *store = &config->stores[config->store_count];
	const char *defect = config_address_store(url, self->folder, self->known, store);
	char key[MAX_KEY];

	snprintf(key, sizeof key, "store.servers[%zu]", i);
	if (defect != NULL) {
		config_loader_problem(self, key, "%s", defect);
		return;
	}
	if (config_stores_find(config, store->name) != NULL)
		config_loader_problem(self, key, "repeats %s", store->name);
	config->store_count++;
}

static void
load_servers(struct config_loader *self)
{
	size_t servers = self->texts->store.servers_count;

	if (servers == 0)
		config_loader_missing(self, "store.servers");
	self->config->stores =
	    config_loader_never_null(calloc(servers + 1, sizeof self->config->stores[0]));
	for (size_t i = 0; i < servers; i++)
		load_server(self, self->texts->store.servers[i], i);
}

static void
load_probe(struct config_loader *self)
{
	const char *text = self->texts->store.probe, *defect;

	if (text == NULL)
		return;
	defect = path_defect(text, strlen(text));
	if (defect != NULL)
		config_loader_problem(
		    self, "store.probe", "must be a path in canonical form: %s", defect);
	else
		self->config->probe = buffer_strdup(text);
}

/* Every server is told that it is HOST. */
static void
load_host(struct config_loader *self)
{
	const char *text = self->texts->store.host, *defect;
	struct config *config = self->config;

	if (text == NULL)
		return;
	defect = config_address_host(text);
	if (defect != NULL) {
		config_loader_problem(self, "store.host", "%s", defect);
		return;
	}
	config->store_host = buffer_strdup(text);
	for (size_t i = 0; i < config->store_count; i++) {
		free(config->stores[i].host);
		config->stores[i].host = buffer_strdup(text);
	}
}

void
config_store_keys_load(struct config_loader *self)
{
	load_servers(self);
	load_probe(self);
	load_host(self);
}
