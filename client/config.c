/*
 * The loader of spot.yaml. The one hard part is to leave nothing of trust to chance: a key of it
 * that is missing, or a pin that is not one, ends the program; none has a default.
 */
#include "config.h"

#include <ctype.h>
#include <cyaml/cyaml.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../policy/buffer.h"
#include "../policy/policy_value.h"
#include "../policy/yaml_source.h"

enum {
	CONFIG_MAX_BYTES = 64 * 1024,
	CONFIG_TRIES = 5,
	CONFIG_CONNECTIONS = 4,
	PIN_BASE64_LEN = 44, /* 32 bytes, padded */
};

/* The file as libcyaml reads it. All is optional there: what is missing is reported here. */
struct spot_yaml {
	char **servers, **pins;
	unsigned servers_count, pins_count;
	char *certificate, *key, *ca, *release, *proxy, *cache, *state;
	char *tries, *connections, *rate, *allow_sha1;
};

#define TEXT(key, member)                                                                       \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct spot_yaml, \
	    member, 0, CYAML_UNLIMITED)
#define LIST(key, member, max)                                                                \
	CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct spot_yaml, \
	    member, &text_entry, 1, max)

static const cyaml_schema_value_t text_entry = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED),
};

static const cyaml_schema_field_t fields[] = {
    LIST("servers", servers, CONFIG_MAX_SERVERS),
    TEXT("certificate", certificate),
    TEXT("key", key),
    TEXT("ca", ca),
    LIST("pins", pins, CONFIG_MAX_PINS),
    TEXT("release", release),
    TEXT("proxy", proxy),
    TEXT("cache", cache),
    TEXT("state", state),
    TEXT("tries", tries),
    TEXT("connections", connections),
    TEXT("rate", rate),
    TEXT("allow_sha1", allow_sha1),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct spot_yaml, fields),
};

#define DEFAULT_CACHE "/var/cache/spot"
#define DEFAULT_STATE "/var/lib/spot"

struct loader {
	const char *name;
	const struct yaml_source *source;
	struct problems *problems;
};

static void
report(const struct loader *self, const char *key, const char *what)
{
	problems_add(self->problems, self->name, yaml_source_line(self->source, "%s", key),
	    "`%s` %s", key, what);
}

/* True for "SCHEME://HOST" with an optional ":PORT" and nothing behind it. */
static bool
is_origin(const char *url, const char *scheme)
{
	size_t scheme_len = strlen(scheme);

	if (strncmp(url, scheme, scheme_len) != 0)
		return false;
	const char *host = url + scheme_len;
	size_t host_len = *host == '[' ? strcspn(host, "]") + 1
	                               : strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-.");
	uint64_t port = 443;
	if (host_len == 0 || host_len > strlen(host) || strpbrk(host, "/@?# \\%") != NULL)
		return false;
	if (host[host_len] == ':' && !policy_value_number(host + host_len + 1, 65535, &port))
		return false;
	return port > 0 && (host[host_len] == ':' || host[host_len] == '\0');
}

/* True for "sha256//" and the Base64 of 32 bytes. */
static bool
is_pin(const char *text)
{
	static const char prefix[] = "sha256//";

	if (strncmp(text, prefix, sizeof prefix - 1) != 0)
		return false;
	const char *digest = text + sizeof prefix - 1;
	size_t len =
	    strspn(digest, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
	return len == PIN_BASE64_LEN - 1 && strcmp(digest + len, "=") == 0;
}

static void
load_servers(struct config *self, const struct spot_yaml *yaml, const struct loader *loader)
{
	char key[32];

	if (yaml->servers_count == 0)
		report(loader, "servers", "is missing");
	for (unsigned i = 0; i < yaml->servers_count; i++) {
		snprintf(key, sizeof key, "servers[%u]", i);
		if (!is_origin(yaml->servers[i], "https://"))
			report(loader, key, "must be https://HOST or https://HOST:PORT");
		self->servers[self->server_count++] = buffer_strdup(yaml->servers[i]);
	}
}

static void
load_pins(struct config *self, const struct spot_yaml *yaml, const struct loader *loader)
{
	struct buffer all = {0};
	char key[32];

	if (yaml->pins_count < CONFIG_MIN_PINS)
		report(loader, "pins", "needs the key in use and at least one spare");
	for (unsigned i = 0; i < yaml->pins_count; i++) {
		snprintf(key, sizeof key, "pins[%u]", i);
		if (!is_pin(yaml->pins[i]))
			report(loader, key, "must be sha256// and the Base64 of 32 bytes");
		for (unsigned j = 0; j < i; j++) {
			if (strcmp(yaml->pins[i], yaml->pins[j]) == 0)
				report(loader, key, "is there twice: a spare is another key");
		}
		buffer_printf(&all, "%s%s", i > 0 ? ";" : "", yaml->pins[i]);
	}
	self->pins = buffer_copy(all.data != NULL ? buffer_bytes(&all) : "", buffer_size(&all));
	buffer_fini(&all);
}

/* A file name, relative to the folder of spot.yaml. */
static char *
load_file(const char *value, const char *key, const struct loader *loader)
{
	if (value == NULL || *value == '\0') {
		report(loader, key, "is missing");
		return NULL;
	}
	const char *slash = strrchr(loader->name, '/');
	struct buffer path = {0};
	if (*value != '/' && slash != NULL)
		buffer_append(&path, loader->name, (size_t)(slash - loader->name) + 1);
	buffer_append(&path, value, strlen(value) + 1);
	char *result = buffer_strdup(buffer_bytes(&path));
	buffer_fini(&path);
	return result;
}

static void
load_proxy(struct config *self, const struct spot_yaml *yaml, const struct loader *loader)
{
	if (yaml->proxy != NULL && !is_origin(yaml->proxy, "http://"))
		report(loader, "proxy", "must be http://HOST:PORT");
	self->proxy = buffer_strdup(yaml->proxy != NULL ? yaml->proxy : "");
}

/* A number from 1 to MAX; FALLBACK when the file does not say. */
static unsigned
load_number(const char *value, const char *key, unsigned fallback, unsigned max,
    const struct loader *loader)
{
	uint64_t number = fallback;
	char what[64];

	if (value != NULL && (!policy_value_number(value, max, &number) || number == 0)) {
		snprintf(what, sizeof what, "must be a number from 1 to %u", max);
		report(loader, key, what);
	}
	return (unsigned)number;
}

static void
load_transfers(struct config *self, const struct spot_yaml *yaml, const struct loader *loader)
{
	self->tries = load_number(yaml->tries, "tries", CONFIG_TRIES, CONFIG_MAX_TRIES, loader);
	self->connections = load_number(
	    yaml->connections, "connections", CONFIG_CONNECTIONS, CONFIG_MAX_CONNECTIONS, loader);
	if (yaml->rate != NULL && !(policy_value_size(yaml->rate, &self->rate) && self->rate > 0))
		report(loader, "rate", "must be bytes a second, such as 500K or 2M");
	self->allow_sha1 = yaml->allow_sha1 != NULL && strcmp(yaml->allow_sha1, "true") == 0;
	if (yaml->allow_sha1 != NULL && !self->allow_sha1 && strcmp(yaml->allow_sha1, "false") != 0)
		report(loader, "allow_sha1", "must be true or false");
}

static struct config *
load(const struct spot_yaml *yaml, const struct loader *loader)
{
	struct config *self = buffer_alloc(sizeof *self);

	load_servers(self, yaml, loader);
	self->certificate = load_file(yaml->certificate, "certificate", loader);
	self->key = load_file(yaml->key, "key", loader);
	self->ca = load_file(yaml->ca, "ca", loader);
	if (yaml->release != NULL)
		self->release = load_file(yaml->release, "release", loader);
	self->cache = load_file(yaml->cache != NULL ? yaml->cache : DEFAULT_CACHE, "cache", loader);
	self->state = load_file(yaml->state != NULL ? yaml->state : DEFAULT_STATE, "state", loader);
	load_pins(self, yaml, loader);
	load_proxy(self, yaml, loader);
	load_transfers(self, yaml, loader);
	return self;
}

struct config *
config_load(const char *name, struct problems *problems)
{
	struct config *self = NULL;
	void *yaml = NULL;
	size_t len;

	char *text = yaml_source_read_file(name, CONFIG_MAX_BYTES, &len, problems);
	if (text == NULL)
		return NULL;
	struct yaml_source *source = yaml_source_load(name, text, len, &schema, &yaml, problems);
	if (source != NULL)
		self = load(yaml, &(struct loader){name, source, problems});
	yaml_source_free(source);
	yaml_source_free_data(&schema, yaml);
	free(text);
	if (self != NULL && problems_count(problems) > 0) {
		config_free(self);
		self = NULL;
	}
	return self;
}

void
config_free(struct config *self)
{
	if (self == NULL)
		return;
	for (size_t i = 0; i < self->server_count; i++)
		free(self->servers[i]);
	free(self->certificate);
	free(self->key);
	free(self->ca);
	free(self->release);
	free(self->pins);
	free(self->proxy);
	free(self->cache);
	free(self->state);
	free(self);
}
