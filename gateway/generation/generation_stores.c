/* The addresses of the stores. The hard part is that a name server that fails, or has nothing to
 * say today, must not take away what was known. */
#include "generation_stores.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "gateway/config/config_address.h"
#include "gateway/config/config_stores.h"
#include "gateway/node/log.h"
#include "generation_config.h"
#include "sealed_file.h"

enum { LIST_MAX = 256 }; /* bytes of addresses in a log line */

static size_t
size_of_all(const struct config *config)
{
	return config->store_count * sizeof(struct config_endpoints);
}

struct config_endpoints *
generation_stores_open(const struct generation *self, const struct config *config)
{
	struct config_endpoints *all;
	struct sealed_bytes file;

	if (!sealed_file_map(self->files[GENERATION_STORES], &file))
		return NULL;
	if (file.bytes != NULL && file.len != size_of_all(config)) {
		sealed_file_unmap(&file);
		errno = EINVAL;
		return NULL;
	}
	all = buffer_alloc(size_of_all(config));
	if (file.bytes != NULL)
		memcpy(all, file.bytes, file.len);
	else
		for (size_t i = 0; i < config->store_count; i++)
			all[i] = config->stores[i].endpoints;
	sealed_file_unmap(&file);
	return all;
}

/* A sealed memfd with ALL; -1 with a problem added. */
static int
seal(const struct config_endpoints *all, const struct config *config, struct problems *problems)
{
	int fd = sealed_file_new("stores", (const char *)all, size_of_all(config));

	if (fd < 0)
		problems_add(problems, config->file, 0,
		    "the addresses of the stores cannot be kept in memory: %s", strerror(errno));
	return fd;
}

int
generation_stores_carry_over(
    const struct generation *previous, const struct config *config, struct problems *problems)
{
	struct config *before = generation_config_open(previous);
	struct config_endpoints *known = NULL, *all = buffer_alloc(size_of_all(config));
	int fd = -1;

	if (before != NULL)
		known = generation_stores_open(previous, before);
	for (size_t i = 0; i < config->store_count; i++) {
		const struct config_store *same =
		    config_stores_find(before, config->stores[i].name);
		all[i] = same != NULL && known != NULL ? known[same - before->stores]
		                                       : config->stores[i].endpoints;
	}
	if (known != NULL)
		fd = seal(all, config, problems);
	else
		problems_add(problems, config->file, 0,
		    "the addresses of the stores cannot be mapped: %s", strerror(errno));
	free(all);
	free(known);
	config_free(before);
	return fd;
}

/* True when the name of STORE leads elsewhere than to ENDPOINTS, which are then replaced. */
static bool
has_moved(const struct config_store *store, struct config_endpoints *endpoints)
{
	struct config_endpoints found;
	const char *defect = config_address_look_up(store, &found);
	char list[LIST_MAX];

	if (defect != NULL) {
		config_address_print(endpoints, list, sizeof list);
		log_warning("store %s %s; it stays at %s", store->name, defect, list);
		return false;
	}
	if (config_address_same(&found, endpoints))
		return false;
	config_address_print(&found, list, sizeof list);
	log_info("store %s is now at %s", store->name, list);
	*endpoints = found;
	return true;
}

int
generation_stores_look_up(
    const struct generation *previous, const struct config *config, struct problems *problems)
{
	struct config_endpoints *all = generation_stores_open(previous, config);
	bool moved = false;
	int fd = -1;

	if (all == NULL) {
		problems_add(problems, config->file, 0,
		    "the addresses of the stores cannot be mapped: %s", strerror(errno));
		return -1;
	}
	for (size_t i = 0; i < config->store_count; i++)
		if (config->stores[i].is_name && has_moved(&config->stores[i], &all[i]))
			moved = true;
	if (moved)
		fd = seal(all, config, problems);
	free(all);
	return fd;
}
