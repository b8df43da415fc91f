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
#include <strings.h>

#include "base/buffer.h"
#include "base/value.h"
#include "base/yaml_source.h"
#include "duration.h"
#include "lock.h"

enum {
	CONFIG_MAX_BYTES = 64 * 1024,
	CONFIG_TRIES = 5,
	CONFIG_CONNECTIONS = 4,
	CONFIG_MIRROR_INTERVAL = 24 * 60 * 60, /* seconds */
	CONFIG_REMOVALS_PERCENT = 10,
	CONFIG_CRL_MAX_AGE = 24 * 60 * 60, /* seconds */
	CONFIG_LOW_RATE = 1024,
	CONFIG_LOW_SECONDS = 60,
	CONFIG_HOOK_SECONDS = 5 * 60,
	PIN_BASE64_LEN = 44, /* 32 bytes, padded */
};

struct low_speed_yaml {
	char *rate, *over;
};

struct hooks_yaml {
	char **before, **after;
	unsigned before_count, after_count;
	char *time;
};

/* The file as libcyaml reads it. All is optional there: what is missing is reported here. */
struct spot_yaml {
	char **servers, **pins;
	unsigned servers_count, pins_count;
	char *certificate, *key, *key_passphrase_file, *ca, *crl, *crl_max_age, *release, *proxy,
	    *cache, *state;
	char *tries, *connections, *rate, *allow_sha1, *lock_wait, *mirror_interval, *max_removals;
	char *index;
	char *layout, *mode, *owner;
	struct low_speed_yaml *low_speed;
	struct hooks_yaml *hooks;
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

#define LOW_SPEED(key)                                                         \
	CYAML_FIELD_STRING_PTR(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, \
	    struct low_speed_yaml, key, 0, CYAML_UNLIMITED)

static const cyaml_schema_field_t low_speed_fields[] = {
    LOW_SPEED(rate),
    LOW_SPEED(over),
    CYAML_FIELD_END,
};

#define HOOK(key)                                                                               \
	CYAML_FIELD_SEQUENCE(#key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct hooks_yaml, \
	    key, &text_entry, 1, CONFIG_MAX_ARGUMENTS)

static const cyaml_schema_field_t hooks_fields[] = {
    HOOK(before),
    HOOK(after),
    CYAML_FIELD_STRING_PTR("time", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct hooks_yaml,
        time, 0, CYAML_UNLIMITED),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t fields[] = {
    LIST("servers", servers, CONFIG_MAX_SERVERS),
    TEXT("certificate", certificate),
    TEXT("key", key),
    TEXT("key_passphrase_file", key_passphrase_file),
    TEXT("ca", ca),
    TEXT("crl", crl),
    TEXT("crl_max_age", crl_max_age),
    LIST("pins", pins, CONFIG_MAX_PINS),
    TEXT("release", release),
    TEXT("proxy", proxy),
    TEXT("cache", cache),
    TEXT("state", state),
    TEXT("tries", tries),
    TEXT("connections", connections),
    TEXT("rate", rate),
    TEXT("allow_sha1", allow_sha1),
    TEXT("index", index),
    TEXT("lock_wait", lock_wait),
    TEXT("mirror_interval", mirror_interval),
    TEXT("max_removals", max_removals),
    TEXT("layout", layout),
    TEXT("mode", mode),
    TEXT("owner", owner),
    CYAML_FIELD_MAPPING_PTR("low_speed", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct spot_yaml,
        low_speed, low_speed_fields),
    CYAML_FIELD_MAPPING_PTR(
        "hooks", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct spot_yaml, hooks, hooks_fields),
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
	if (host[host_len] == ':' && !value_number(host + host_len + 1, 65535, &port))
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

/* True for "http://HOST:PORT", with or without "USER:PASSWORD@", in which each "/", "?", "#", "@",
 * "%" and space is escaped (RFC 3986, 3.2.1). */
static bool
is_proxy(const char *url)
{
	static const char scheme[] = "http://";
	const char *user = url + sizeof scheme - 1, *at = strrchr(url, '@');

	if (strncmp(url, scheme, sizeof scheme - 1) != 0 || at == NULL)
		return is_origin(url, scheme);
	for (const char *c = user; c < at; c++) {
		bool escaped =
		    *c == '%' && isxdigit((unsigned char)c[1]) && isxdigit((unsigned char)c[2]);
		if (*c <= ' ' || *c > '~' || strchr("/?#@\\", *c) != NULL ||
		    (*c == '%' && !escaped))
			return false;
	}
	if (at <= user || *user == ':')
		return false;
	char *origin = buffer_text("%s%s", scheme, at + 1);
	bool good = is_origin(origin, scheme);
	free(origin);
	return good;
}

static void
load_proxy(struct config *self, const struct spot_yaml *yaml, const struct loader *loader)
{
	if (yaml->proxy != NULL && !is_proxy(yaml->proxy))
		report(
		    loader, "proxy", "must be http://HOST:PORT or http://USER:PASSWORD@HOST:PORT");
	self->proxy = buffer_strdup(yaml->proxy != NULL ? yaml->proxy : "");
}

/* A number from 1 to MAX; FALLBACK when the file does not say. */
static unsigned
load_number(const char *value, const char *key, unsigned fallback, unsigned max,
    const struct loader *loader)
{
	uint64_t number = fallback;
	char what[64];

	if (value != NULL && (!value_number(value, max, &number) || number == 0)) {
		snprintf(what, sizeof what, "must be a number from 1 to %u", max);
		report(loader, key, what);
	}
	return (unsigned)number;
}

/* Seconds, at least one; FALLBACK when the file does not say. */
static uint64_t
load_duration(const char *value, const char *key, uint64_t fallback, const struct loader *loader)
{
	uint64_t seconds = fallback;

	if (value != NULL && !(duration_read(value, &seconds) && seconds > 0))
		report(loader, key, "must be a duration, such as 60s, 10m, 12h or 7d");
	return seconds;
}

static void
load_transfers(struct config *self, const struct spot_yaml *yaml, const struct loader *loader)
{
	self->tries = load_number(yaml->tries, "tries", CONFIG_TRIES, CONFIG_MAX_TRIES, loader);
	self->connections = load_number(
	    yaml->connections, "connections", CONFIG_CONNECTIONS, CONFIG_MAX_CONNECTIONS, loader);
	if (yaml->rate != NULL && !(value_size(yaml->rate, &self->rate) && self->rate > 0))
		report(loader, "rate", "must be bytes a second, such as 500K or 2M");
	self->allow_sha1 = yaml->allow_sha1 != NULL && strcmp(yaml->allow_sha1, "true") == 0;
	if (yaml->allow_sha1 != NULL && !self->allow_sha1 && strcmp(yaml->allow_sha1, "false") != 0)
		report(loader, "allow_sha1", "must be true or false");
}

static void
load_index(struct config *self, const char *value, const struct loader *loader)
{
	self->index_required = value != NULL && strcmp(value, "required") == 0;
	if (value != NULL && !self->index_required && strcmp(value, "once-seen") != 0)
		report(loader, "index", "must be once-seen or required");
}

static void
load_mirror(struct config *self, const struct spot_yaml *yaml, const struct loader *loader)
{
	self->mirror_interval =
	    load_duration(yaml->mirror_interval, "mirror_interval", CONFIG_MIRROR_INTERVAL, loader);
	self->max_removals = (struct share){CONFIG_REMOVALS_PERCENT, true};
	if (yaml->max_removals != NULL && !share_read(yaml->max_removals, &self->max_removals))
		report(loader, "max_removals",
		    "must be a number of versions or a percentage, such as 20 or 10%");
}

static void
load_low_speed(struct config *self, const struct low_speed_yaml *yaml, const struct loader *loader)
{
	self->low_rate = CONFIG_LOW_RATE;
	self->low_time = CONFIG_LOW_SECONDS;
	if (yaml == NULL)
		return;
	self->low_time = load_duration(yaml->over, "low_speed.over", CONFIG_LOW_SECONDS, loader);
	if (yaml->rate != NULL && !(value_size(yaml->rate, &self->low_rate) && self->low_rate > 0 &&
	                              self->low_rate <= UINT32_MAX))
		report(loader, "low_speed.rate", "must be bytes a second, such as 500 or 1K");
}

static void
load_layout(struct config *self, const char *value, const struct loader *loader)
{
	self->versions = value != NULL && strcmp(value, "versions") == 0;
	if (value != NULL && !self->versions && strcmp(value, "in-place") != 0)
		report(loader, "layout", "must be in-place or versions");
}

static void
load_rights(struct rights *self, const struct spot_yaml *yaml, const struct loader *loader)
{
	if (yaml->mode != NULL && !rights_read_mode(yaml->mode, self))
		report(loader, "mode", "must be " RIGHTS_MODE_RULE);
	if (yaml->owner != NULL && !rights_read_owner(yaml->owner, self))
		report(loader, "owner", "must be " RIGHTS_OWNER_RULE);
}

/* A copy of the COUNT words of a hook; NULL when there are none. */
static char **
load_hook(char **words, unsigned count, const char *key, const struct loader *loader)
{
	if (count == 0)
		return NULL;
	if (words[0][0] != '/')
		report(loader, key, "must begin with the absolute path of a program");
	char **copy = buffer_alloc_list(count, sizeof *copy);
	for (unsigned i = 0; i < count; i++)
		copy[i] = buffer_strdup(words[i]);
	return copy;
}

static void
load_hooks(struct config_hooks *self, const struct hooks_yaml *yaml, const struct loader *loader)
{
	self->time = CONFIG_HOOK_SECONDS;
	if (yaml == NULL)
		return;
	self->time = load_duration(yaml->time, "hooks.time", CONFIG_HOOK_SECONDS, loader);
	self->before = load_hook(yaml->before, yaml->before_count, "hooks.before", loader);
	self->after = load_hook(yaml->after, yaml->after_count, "hooks.after", loader);
}

static void
free_hook(char **words)
{
	for (char **word = words; word != NULL && *word != NULL; word++)
		free(*word);
	free(words);
}

static bool
is_pkcs12(const char *name)
{
	const char *dot = name != NULL ? strrchr(name, '.') : NULL;

	return dot != NULL && (strcasecmp(dot, ".p12") == 0 || strcasecmp(dot, ".pfx") == 0);
}

/* PKCS#12 holds the key, too. */
static void
load_credentials(struct config *self, const struct spot_yaml *yaml, const struct loader *loader)
{
	self->certificate = load_file(yaml->certificate, "certificate", loader);
	if (!is_pkcs12(yaml->certificate))
		self->key = load_file(yaml->key, "key", loader);
	else if (yaml->key != NULL)
		report(
		    loader, "key", "must not be there: the PKCS#12 file of `certificate` holds it");
	if (yaml->key_passphrase_file != NULL)
		self->key_passphrase_file =
		    load_file(yaml->key_passphrase_file, "key_passphrase_file", loader);
}

static struct config *
load(const struct spot_yaml *yaml, const struct loader *loader)
{
	struct config *self = buffer_alloc(sizeof *self);

	load_servers(self, yaml, loader);
	load_credentials(self, yaml, loader);
	self->ca = load_file(yaml->ca, "ca", loader);
	if (yaml->crl != NULL)
		self->crl = load_file(yaml->crl, "crl", loader);
	self->crl_max_age =
	    load_duration(yaml->crl_max_age, "crl_max_age", CONFIG_CRL_MAX_AGE, loader);
	if (yaml->release != NULL)
		self->release = load_file(yaml->release, "release", loader);
	self->cache = load_file(yaml->cache != NULL ? yaml->cache : DEFAULT_CACHE, "cache", loader);
	self->state = load_file(yaml->state != NULL ? yaml->state : DEFAULT_STATE, "state", loader);
	load_pins(self, yaml, loader);
	load_proxy(self, yaml, loader);
	load_transfers(self, yaml, loader);
	load_index(self, yaml->index, loader);
	load_mirror(self, yaml, loader);
	load_layout(self, yaml->layout, loader);
	load_low_speed(self, yaml->low_speed, loader);
	load_rights(&self->rights, yaml, loader);
	load_hooks(&self->hooks, yaml->hooks, loader);
	self->lock_wait = load_duration(yaml->lock_wait, "lock_wait", LOCK_WAIT_SECONDS, loader);
	return self;
}

struct config *
config_read(const char *name, const char *text, size_t len, struct problems *problems)
{
	struct config *self = NULL;
	void *yaml = NULL;

	struct yaml_source *source = yaml_source_load(name, text, len, &schema, &yaml, problems);
	if (source != NULL)
		self = load(yaml, &(struct loader){name, source, problems});
	yaml_source_free(source);
	yaml_source_free_data(&schema, yaml);
	if (self != NULL && problems_count(problems) > 0) {
		config_free(self);
		self = NULL;
	}
	return self;
}

struct config *
config_load(const char *name, struct problems *problems)
{
	size_t len;
	char *text = yaml_source_read_file(name, CONFIG_MAX_BYTES, &len, problems);

	if (text == NULL)
		return NULL;
	struct config *self = config_read(name, text, len, problems);
	free(text);
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
	free(self->key_passphrase_file);
	free(self->ca);
	free(self->crl);
	free(self->release);
	free(self->pins);
	free(self->proxy);
	free(self->cache);
	free(self->state);
	free_hook(self->hooks.before);
	free_hook(self->hooks.after);
	free(self);
}
