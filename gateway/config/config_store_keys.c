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
#include "config_values.h"

enum {
	MAX_KEY = 48, /* "store.servers[N]" with any N, and a NUL */
	PIN_DIGITS = 43,
};

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

static bool
is_any_tls(const struct config *config)
{
	for (size_t i = 0; i < config->store_count; i++)
		if (config->stores[i].tls_name != NULL)
			return true;
	return false;
}

/* Whom every server's certificate must name. */
static void
load_name(struct config_loader *self)
{
	const char *text = self->texts->store.name;
	struct config *config = self->config;

	if (text == NULL)
		return;
	if (!config_values_is_host_name(text) || config_values_looks_like_ipv4(text)) {
		config_loader_problem(self, "store.name", "must be a host name");
		return;
	}
	config->store_name = buffer_strdup(text);
	for (size_t i = 0; i < config->store_count; i++) {
		if (config->stores[i].tls_name == NULL)
			continue;
		free(config->stores[i].tls_name);
		config->stores[i].tls_name = buffer_strdup(text);
	}
}

/* True for "sha256//" and the one base64 of 32 bytes: the last digit has two bits that say nothing.
 */
static bool
is_pin(const char *text)
{
	static const char prefix[] = "sha256//", digits[] =
	                                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                                             "abcdefghijklmnopqrstuvwxyz0123456789+/";

	if (strncmp(text, prefix, sizeof prefix - 1) != 0)
		return false;
	text += sizeof prefix - 1;
	return strspn(text, digits) == PIN_DIGITS && strcmp(text + PIN_DIGITS, "=") == 0 &&
	       (strchr(digits, text[PIN_DIGITS - 1]) - digits) % 4 == 0;
}

static void
load_pins(struct config_loader *self)
{
	const struct config_schema_store *texts = &self->texts->store;
	struct buffer all = {0};
	char key[MAX_KEY];

	for (size_t i = 0; i < texts->pins_count; i++) {
		snprintf(key, sizeof key, "store.pins[%zu]", i);
		if (!is_pin(texts->pins[i]))
			config_loader_problem(
			    self, key, "must be sha256// and the base64 of 32 bytes");
		buffer_printf(&all, "%s%s", i > 0 ? " " : "", texts->pins[i]);
	}
	if (buffer_size(&all) > 0)
		self->config->store_pins = buffer_copy(buffer_bytes(&all), buffer_size(&all));
	buffer_fini(&all);
}

/* What is for https:// must not be there for nothing, and all of it must be there. */
static void
check_tls(struct config_loader *self)
{
	const struct config_schema_store *texts = &self->texts->store;
	const struct {
		const char *key;
		bool is_there;
	} keys[] = {{"store.ca", texts->ca != NULL}, {"store.name", texts->name != NULL},
	    {"store.certificate", texts->certificate != NULL}, {"store.key", texts->key != NULL},
	    {"store.pins", texts->pins_count > 0}};
	bool any = is_any_tls(self->config);

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (!any && keys[i].is_there && self->config->store_count > 0)
			config_loader_problem(
			    self, keys[i].key, "is for https:// servers, and there is none");
	if (any && texts->ca == NULL)
		config_loader_missing(self, "store.ca");
	if (texts->certificate != NULL && texts->key == NULL)
		config_loader_missing(self, "store.key");
	if (texts->certificate == NULL && texts->key != NULL)
		config_loader_missing(self, "store.certificate");
}

void
config_store_keys_load(struct config_loader *self)
{
	load_servers(self);
	load_probe(self);
	load_host(self);
	load_name(self);
	load_pins(self);
	check_tls(self);
}
