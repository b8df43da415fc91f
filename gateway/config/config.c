/*
 * mirrorgate.yaml, loaded and checked.
 *
 * libcyaml gives the texts of the file (config_schema.c); this file, config_scalars.c and
 * config_store_keys.c turn them into a struct config. A check that fails adds a problem and the
 * next one is made, so that one run reports them all; only at the end does it show whether there is
 * a configuration.
 */
#include "config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/value.h"
#include "config_address.h"
#include "config_loader.h"
#include "config_network.h"
#include "config_scalars.h"
#include "config_store_keys.h"
#include "config_stores.h"
#include "config_texts.h"
#include "config_values.h"

enum {
	MAX_FILE = 1024 * 1024, /* bytes */
	MAX_KEY = 96,           /* "listen[N].proxy_protocol_from[N]" with any N, and a NUL */
	MAX_PORT = 65535,
};

static char *
lower_case(const char *text)
{
	char *copy = config_loader_never_null(strdup(text));

	for (char *c = copy; *c != '\0'; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	}
	return copy;
}

static bool
has_server_name(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->server_name_count; i++) {
		if (strcmp(config->server_names[i], name) == 0)
			return true;
	}
	return false;
}

/* An address as a Host has it: IPv6 in brackets, in the form of inet_ntop(); NULL when TEXT is
 * none. Only "host" is looked at as a name after that. */
static char *
address_name(const char *text)
{
	size_t len = strlen(text);
	bool bracketed = len > 2 && text[0] == '[' && text[len - 1] == ']';
	char *bare = strndup(text + bracketed, len - 2 * bracketed), *name = NULL;
	char canonical[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET6, config_loader_never_null(bare), &v6) == 1 &&
	    inet_ntop(AF_INET6, &v6, canonical, sizeof canonical) != NULL &&
	    asprintf(&name, "[%s]", canonical) < 0)
		abort();
	if (!bracketed && inet_pton(AF_INET, bare, &v4) == 1)
		name = config_loader_never_null(strdup(bare));
	free(bare);
	return name;
}

static bool
is_name(const char *text)
{
	return config_values_is_host_name(text) && !config_values_looks_like_ipv4(text);
}

static void
load_server_name(struct config_loader *self, const char *text, size_t i)
{
	struct config *config = self->config;
	char key[MAX_KEY], *name = lower_case(text), *address = address_name(name);

	snprintf(key, sizeof key, "server_names[%zu]", i);
	if (address == NULL && !is_name(name)) {
		config_loader_problem(self, key,
		    "must be a host name or an IP address without port, such as "
		    "updates.example.com");
		free(name);
		return;
	}
	if (address != NULL) {
		free(name);
		name = address;
	}
	if (has_server_name(config, name)) {
		config_loader_problem(self, key, "repeats a name of this list");
	} else {
		config->server_names[config->server_name_count++] = name;
		return;
	}
	free(name);
}

static void
load_server_names(struct config_loader *self)
{
	size_t names = self->texts->server_names_count;

	self->config->server_names =
	    config_loader_never_null(calloc(names + 1, sizeof self->config->server_names[0]));
	for (size_t i = 0; i < names; i++)
		load_server_name(self, self->texts->server_names[i], i);
}

/*
 * Addresses.
 */

/* Returns false, with a problem added, when the port may not be used. */
static bool
load_port(struct config_loader *self, const char *text, const char *key, uint16_t *port)
{
	uint64_t value = CONFIG_HTTPS_PORT;

	if (text != NULL && !value_number(text, MAX_PORT, &value)) {
		config_loader_problem(self, key, "must be a port number");
		return false;
	}
	if (value != CONFIG_HTTPS_PORT && !self->unsafe_any_port) {
		config_loader_problem(
		    self, key, "must be 443; any other port needs --unsafe-any-port");
		return false;
	}
	*port = (uint16_t)value;
	return true;
}

static void
load_networks(struct config_loader *self, const struct config_schema_listen *texts, size_t i,
    struct config_listen *listen)
{
	size_t networks = texts->proxy_protocol_from_count;
	char key[MAX_KEY];

	listen->proxy_from =
	    config_loader_never_null(calloc(networks + 1, sizeof listen->proxy_from[0]));
	for (size_t n = 0; n < networks; n++) {
		const char *defect = config_network_parse(
		    texts->proxy_protocol_from[n], &listen->proxy_from[listen->proxy_from_count]);

		if (defect == NULL) {
			listen->proxy_from_count++;
			continue;
		}
		snprintf(key, sizeof key, "listen[%zu].proxy_protocol_from[%zu]", i, n);
		config_loader_problem(self, key, "%s", defect);
	}
}

/* Two sockets on port 0 get two ports. */
static bool
is_repeated(const struct config *config, const struct config_listen *listen, uint16_t port)
{
	for (size_t i = 0; i < config->listen_count && port != 0; i++) {
		if (strcmp(config->listens[i].text, listen->text) == 0)
			return true;
	}
	return false;
}

static void
load_listen(struct config_loader *self, const struct config_schema_listen *texts, size_t i)
{
	struct config_listen *listen = &self->config->listens[self->config->listen_count];
	char address_key[MAX_KEY], port_key[MAX_KEY];
	const char *defect;
	uint16_t port = 0;
	bool port_is_good;

	snprintf(address_key, sizeof address_key, "listen[%zu].address", i);
	snprintf(port_key, sizeof port_key, "listen[%zu].port", i);
	port_is_good = load_port(self, texts->port, port_key, &port);
	load_networks(self, texts, i, listen);
	if (texts->address == NULL) {
		config_loader_missing(self, address_key);
		goto free_networks;
	}
	defect = config_address_listen(texts->address, port, listen);
	if (defect != NULL) {
		config_loader_problem(self, address_key, "%s", defect);
		goto free_networks;
	}
	if (port_is_good && is_repeated(self->config, listen, port))
		config_loader_problem(self, address_key, "repeats %s", listen->text);
	self->config->listen_count++;
	return;

free_networks:
	free(listen->proxy_from);
	*listen = (struct config_listen){0};
}

static void
load_listens(struct config_loader *self)
{
	size_t listens = self->texts->listen_count;

	if (listens == 0)
		config_loader_missing(self, "listen");
	self->config->listens =
	    config_loader_never_null(calloc(listens + 1, sizeof self->config->listens[0]));
	for (size_t i = 0; i < listens; i++)
		load_listen(self, &self->texts->listen[i], i);
}

/*
 * The whole.
 */

static char *
folder_of(const char *file)
{
	const char *slash = strrchr(file, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - file) + 1;

	return config_loader_never_null(strndup(file, len));
}

static void
load_all(struct config_loader *self)
{
	load_listens(self);
	load_server_names(self);
	config_scalars_load(self);
	config_store_keys_load(self);
}

/* Builds what the texts say; with problems added, it is not to be used. */
static struct config *
build(struct config_loader *self, const char *bytes, size_t len)
{
	struct config *config = config_loader_never_null(calloc(1, sizeof *config));

	config->references = 1;
	config->serial = self->known != NULL ? self->known->serial + 1 : 1;
	config->unsafe_any_port = self->unsafe_any_port;
	config->file = buffer_strdup(self->file);
	config->content = buffer_copy(bytes, len);
	self->config = config;
	self->folder = folder_of(self->file);
	load_all(self);
	config_stores_number(config, self->known);
	free(self->folder);
	return config;
}

static struct config *
load_bytes(struct config_loader *self, const char *bytes, size_t len)
{
	size_t before = problems_count(self->problems);
	struct yaml_source *source;
	struct config *config;
	void *texts = NULL;

	source = yaml_source_load_tolerant(
	    self->file, bytes, len, &config_schema_file, &texts, self->problems);
	if (source == NULL)
		return NULL;
	self->source = source;
	self->texts = texts;
	config = build(self, bytes, len);
	yaml_source_free_data(&config_schema_file, texts);
	yaml_source_free(source);
	if (problems_count(self->problems) == before)
		return config;
	config_free(config);
	return NULL;
}

struct config *
config_load(const char *file, bool unsafe_any_port, struct problems *problems)
{
	struct config_loader self = {
	    .file = file, .unsafe_any_port = unsafe_any_port, .problems = problems};
	size_t len;
	char *bytes = yaml_source_read_file(file, MAX_FILE, &len, problems);

	if (bytes == NULL)
		return NULL;
	struct config *config = load_bytes(&self, bytes, len);
	free(bytes);
	return config;
}

struct config *
config_load_again(struct config *self, struct problems *problems)
{
	struct config_loader loader = {.file = self->file,
	    .unsafe_any_port = self->unsafe_any_port,
	    .known = self,
	    .problems = problems};
	struct config *next;
	size_t len;
	char *bytes = yaml_source_read_file(self->file, MAX_FILE, &len, problems);

	if (bytes == NULL)
		return NULL;
	if (len == strlen(self->content) && memcmp(bytes, self->content, len) == 0)
		next = config_ref(self);
	else
		next = load_bytes(&loader, bytes, len);
	free(bytes);
	return next;
}

struct config *
config_ref(struct config *self)
{
	self->references++;
	return self;
}

bool
config_checks_catalogues(const struct config *self)
{
	return self->catalogues.folder != NULL && self->catalogues.check;
}

static void
free_text(char **text, void *arg)
{
	(void)arg;
	free(*text);
}

void
config_free(struct config *self)
{
	if (self == NULL || --self->references > 0)
		return;
	config_texts_each(self, free_text, NULL);
	for (size_t i = 0; i < self->listen_count; i++)
		free(self->listens[i].proxy_from);
	free(self->listens);
	free(self->server_names);
	free(self->stores);
	free(self);
}
