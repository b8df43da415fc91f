/*
 * The keys of mirrorgate.yaml with a single value.
 *
 * What they have in common stands in tables: where the text of the file is, where the value
 * goes, the default, the bounds. To add such a key is to add a row here and a line to the schema.
 */
#include "config_scalars.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/buffer.h"
#include "base/value.h"
#include "config_values.h"

enum { MAX_USER = 32 }; /* bytes, as useradd(8) has it */

/* The text of the file that belongs to a table's row; NULL when it was left out. */
static const char *
text_at(const struct config_loader *self, size_t offset)
{
	return *(char *const *)((const char *)self->texts + offset);
}

#define TEXT_OF(member) offsetof(struct config_schema, member)
#define VALUE_OF(member) offsetof(struct config, member)

/*
 * Quantities: numbers, sizes and durations.
 */

static bool
parse_count(const char *text, uint64_t *value)
{
	return value_number(text, INT64_MAX, value);
}

struct quantity_kind {
	const char *what;
	bool (*parse)(const char *text, uint64_t *value);
	void (*store)(void *at, uint64_t value);
	char *(*text)(const void *at); /* the caller's */
};

static void
store_count(void *at, uint64_t value)
{
	assert(value <= UINT32_MAX);
	*(uint32_t *)at = (uint32_t)value;
}

static void
store_size(void *at, uint64_t value)
{
	*(uint64_t *)at = value;
}

static void
store_duration(void *at, uint64_t milliseconds)
{
	*(double *)at = (double)milliseconds / 1000;
}

struct unit {
	uint64_t n;
	const char *name;
};

/* In the largest of the UNITS, which end with one of 1, that says it exactly. */
static char *
text_in_units(uint64_t value, const struct unit *units)
{
	while (units->n > 1 && (value == 0 || value % units->n != 0))
		units++;
	return buffer_text("%" PRIu64 "%s", value / units->n, units->name);
}

static char *
count_text(const void *at)
{
	return buffer_text("%" PRIu32, *(const uint32_t *)at);
}

static char *
size_text(const void *at)
{
	static const struct unit units[] = {
	    {1 << 30, "G"}, {1 << 20, "M"}, {1 << 10, "K"}, {1, ""}};

	return text_in_units(*(const uint64_t *)at, units);
}

static char *
duration_text(const void *at)
{
	static const struct unit units[] = {
	    {86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};

	return text_in_units((uint64_t)(*(const double *)at * 1000 + 0.5), units);
}

static const struct quantity_kind count = {"a whole number", parse_count, store_count, count_text};
static const struct quantity_kind size = {"a size", value_size, store_size, size_text};
static const struct quantity_kind duration = {
    "a duration with its unit", config_values_duration, store_duration, duration_text};

static_assert(sizeof(unsigned) == sizeof(uint32_t), "workers is stored as a count");
static_assert(sizeof(size_t) == sizeof(uint64_t), "max_bytes is stored as a size");

struct quantity {
	const char *key;
	size_t text, value; /* offsets: of the file's text, of the configuration's value */
	const struct quantity_kind *kind;
	const char *fallback, *min, *max; /* written as in the file */
};

#define QUANTITY(key, member, kind, fallback, min, max)                           \
	{                                                                         \
#key, TEXT_OF(key), VALUE_OF(member), &(kind), fallback, min, max \
	}

static const struct quantity quantities[] = {
    QUANTITY(tls.session_lifetime, tls.session_lifetime, duration, "1h", "1s", "24h"),
    QUANTITY(tls.session_cache, tls.session_cache, size, "16M", "0", "1G"),
    QUANTITY(snapshots.max_bytes, snapshot_max_bytes, size, "256K", "1", "256K"),
    QUANTITY(snapshots.max_components, snapshot_max_components, count, "10000", "1", "10000"),
    QUANTITY(limits.connections, limits.connections, count, "20000", "1", "1000000"),
    QUANTITY(limits.connections_per_address, limits.connections_per_address, count, "1000", "1",
        "1000000"),
    QUANTITY(
        limits.handshakes_per_second, limits.handshakes_per_second, count, "0", "0", "1000000"),
    QUANTITY(limits.handshakes_per_second_per_address, limits.handshakes_per_second_per_address,
        count, "2000", "0", "1000000"),
    QUANTITY(limits.requests_per_second, limits.requests_per_second, count, "5000", "0", "1000000"),
    QUANTITY(limits.refusals_per_second, limits.refusals_per_second, count, "100", "0", "1000000"),
    QUANTITY(
        limits.transfers_per_customer, limits.transfers_per_customer, count, "256", "0", "1000000"),
    QUANTITY(limits.failed_snapshots_per_hour, limits.failed_snapshots_per_hour, count, "100", "0",
        "1000000"),
    QUANTITY(limits.client_certificates, limits.client_certificates, size, "16K", "2K", "100K"),
    QUANTITY(
        limits.records_without_data, limits.records_without_data, count, "64", "16", "1000000"),
    QUANTITY(timeouts.handshake, timeouts.handshake, duration, "10s", "1ms", "1d"),
    QUANTITY(timeouts.request, timeouts.request, duration, "10s", "1ms", "1d"),
    QUANTITY(timeouts.body, timeouts.body, duration, "30s", "1ms", "1d"),
    QUANTITY(timeouts.idle, timeouts.idle, duration, "60s", "1ms", "1d"),
    QUANTITY(timeouts.send, timeouts.send, duration, "30s", "1ms", "1d"),
    QUANTITY(timeouts.min_rate, timeouts.min_rate, size, "1K", "0", "1G"),
    QUANTITY(timeouts.store_connect, timeouts.store_connect, duration, "3s", "1ms", "1d"),
    QUANTITY(timeouts.store_response, timeouts.store_response, duration, "30s", "1ms", "1d"),
    QUANTITY(timeouts.worker, timeouts.worker, duration, "10s", "3s", "1d"),
    QUANTITY(timeouts.upgrade, timeouts.upgrade, duration, "60s", "1s", "1d"),
    QUANTITY(store.eject_after, store_eject_after, count, "3", "0", "1000"),
    QUANTITY(store.eject_time, store_eject_time, duration, "10s", "100ms", "1h"),
    QUANTITY(catalogues.interval, catalogues.interval, duration, "10s", "100ms", "1d"),
    QUANTITY(catalogues.max_bytes, catalogues.max_bytes, size, "256M", "1K", "16G"),
    QUANTITY(catalogues.max_time, catalogues.max_time, duration, "10s", "100ms", "1d"),
    QUANTITY(drain.announce, drain_announce, duration, "0s", "0s", "1d"),
    QUANTITY(drain.timeout, drain_timeout, duration, "60s", "0s", "1d"),
};

static const struct quantity workers = QUANTITY(workers, workers, count, "auto", "1", "256");

static const struct quantity reserved = QUANTITY(
    limits.reserved_connections, limits.reserved_connections, count, "auto", "0", "1000000");

enum { RESERVED_SHARE = 20 }; /* auto: one in so many connections is reserved */

static uint64_t
bound(const struct quantity *row, const char *text)
{
	uint64_t value = 0;
	bool ok = row->kind->parse(text, &value);

	assert(ok);
	return value;
}

static void
load_quantity(struct config_loader *self, const struct quantity *row)
{
	const char *text = text_at(self, row->text);
	uint64_t value;

	if (text == NULL)
		text = row->fallback;
	if (!row->kind->parse(text, &value) || value < bound(row, row->min) ||
	    value > bound(row, row->max)) {
		config_loader_problem(self, row->key, "must be %s%s from %s to %s, not \"%.40s\"",
		    row == &workers || row == &reserved ? "auto or " : "", row->kind->what,
		    row->min, row->max, text);
		return;
	}
	row->kind->store((char *)self->config + row->value, value);
}

/* Some connections must be left for those who may only have others. */
static void
load_reserved(struct config_loader *self)
{
	const char *text = self->texts->limits.reserved_connections;
	struct config_limits *limits = &self->config->limits;

	if (text != NULL && strcmp(text, "auto") != 0) {
		load_quantity(self, &reserved);
		if (limits->reserved_connections > 0 &&
		    limits->reserved_connections >= limits->connections)
			config_loader_problem(self, reserved.key,
			    "must be less than `limits.connections`, not \"%.40s\"", text);
		return;
	}
	limits->reserved_connections = limits->connections / RESERVED_SHARE;
	if (limits->reserved_connections == 0 && limits->connections > 1)
		limits->reserved_connections = 1;
}

static void
load_quantities(struct config_loader *self)
{
	for (size_t i = 0; i < sizeof quantities / sizeof quantities[0]; i++)
		load_quantity(self, &quantities[i]);
	load_reserved(self);
	if (self->texts->workers != NULL && strcmp(self->texts->workers, "auto") != 0)
		load_quantity(self, &workers);
}

/*
 * Paths, words and names.
 */

static const struct path {
	const char *key;
	size_t text, value;
	bool required;
} paths[] = {
    {"tls.certificate", TEXT_OF(tls.certificate), VALUE_OF(tls.certificate), true},
    {"tls.key", TEXT_OF(tls.key), VALUE_OF(tls.key), true},
    {"tls.client_ca", TEXT_OF(tls.client_ca), VALUE_OF(tls.client_ca), true},
    {"tls.crl", TEXT_OF(tls.crl), VALUE_OF(tls.crl), true},
    {"tls.ticket_keys", TEXT_OF(tls.ticket_keys), VALUE_OF(tls.ticket_keys), false},
    {"policy", TEXT_OF(policy), VALUE_OF(policy), true},
    {"policy_signer", TEXT_OF(policy_signer), VALUE_OF(policy_signer), false},
    {"state_dir", TEXT_OF(state_dir), VALUE_OF(state_dir), false},
    {"admin_socket", TEXT_OF(admin_socket), VALUE_OF(admin_socket), false},
    {"catalogues.folder", TEXT_OF(catalogues.folder), VALUE_OF(catalogues.folder), false},
    {"catalogues.signer", TEXT_OF(catalogues.signer), VALUE_OF(catalogues.signer), false},
    {"store.credentials", TEXT_OF(store.credentials), VALUE_OF(store_credentials), false},
    {"store.ca", TEXT_OF(store.ca), VALUE_OF(store_ca), false},
    {"store.certificate", TEXT_OF(store.certificate), VALUE_OF(store_certificate), false},
    {"store.key", TEXT_OF(store.key), VALUE_OF(store_key), false},
    {"log.access", TEXT_OF(log.access), VALUE_OF(access_log), false},
    {"log.audit_key", TEXT_OF(log.audit_key), VALUE_OF(audit_key), false},
};

/* Some words stand where else a path would. */
static bool
is_special(const struct path *row, const char *text)
{
	return (row->value == VALUE_OF(tls.crl) && strcmp(text, "none") == 0) ||
	       (row->value == VALUE_OF(access_log) &&
	           (strcmp(text, "-") == 0 || strcmp(text, "none") == 0));
}

static void
load_path(struct config_loader *self, const struct path *row)
{
	char **value = (char **)(void *)((char *)self->config + row->value);
	const char *text = text_at(self, row->text), *defect;

	if (text == NULL) {
		if (row->required)
			config_loader_missing(self, row->key);
		return;
	}
	if (is_special(row, text))
		return;
	defect = config_values_path_defect(text);
	if (defect != NULL)
		config_loader_problem(self, row->key, "%s", defect);
	else
		*value = config_values_path(self->folder, text);
}

/* What bind() takes, with its end (unix(7)). */
static void
check_socket_path(const struct config_loader *self)
{
	const struct sockaddr_un *address = NULL;
	const char *path = self->config->admin_socket;

	if (path != NULL && strlen(path) >= sizeof address->sun_path)
		config_loader_problem(self, "admin_socket",
		    "must have at most %zu bytes with its folder, not %zu",
		    sizeof address->sun_path - 1, strlen(path));
}

static void
load_paths(struct config_loader *self)
{
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		load_path(self, &paths[i]);
	const char *access = text_at(self, TEXT_OF(log.access));
	if (self->config->access_log == NULL && (access == NULL || strcmp(access, "none") != 0))
		self->config->access_log = config_loader_never_null(strdup("-"));
	check_socket_path(self);
}

/* Returns the index of TEXT in WORDS, which ends with NULL; -1 when it is none of them. */
static int
find_word(const char *const *words, const char *text)
{
	for (int i = 0; words[i] != NULL; i++) {
		if (strcmp(words[i], text) == 0)
			return i;
	}
	return -1;
}

static const char *const ciphers[] = {
    [CONFIG_CIPHERS_DEFAULT] = "default", [CONFIG_CIPHERS_HIGH] = "high", NULL};
static const char *const levels[] = {[CONFIG_LOG_ERROR] = "error",
    [CONFIG_LOG_WARNING] = "warning",
    [CONFIG_LOG_INFO] = "info",
    [CONFIG_LOG_DEBUG] = "debug",
    NULL};
static const char *const switches[] = {[false] = "false", [true] = "true", NULL};

static void
load_words(struct config_loader *self)
{
	const char *text = self->texts->tls.ciphers;
	int found = find_word(ciphers, text != NULL ? text : "default");

	if (found < 0)
		config_loader_problem(self, "tls.ciphers", "must be default or high");
	else
		self->config->tls.ciphers = (enum config_ciphers)found;
	text = self->texts->log.level;
	found = find_word(levels, text != NULL ? text : "info");
	if (found < 0)
		config_loader_problem(self, "log.level", "must be error, warning, info or debug");
	else
		self->config->log_level = (enum config_log_level)found;
	text = self->texts->log.audit;
	found = find_word(switches, text != NULL ? text : "false");
	if (found < 0)
		config_loader_problem(self, "log.audit", "must be true or false");
	else if (found == 1 && self->config->access_log == NULL)
		config_loader_problem(
		    self, "log.audit", "must not be true where `log.access` is none");
	else if (found == 0 && self->config->audit_key != NULL)
		config_loader_problem(
		    self, "log.audit_key", "must not be there without `log.audit: true`");
	self->config->audit = found == 1;
}

/* Each of its keys makes the mapping one that must be complete. */
static void
load_catalogues(struct config_loader *self)
{
	const struct config_schema_catalogues *texts = &self->texts->catalogues;
	bool given = texts->folder != NULL || texts->signer != NULL || texts->check != NULL ||
	             texts->required != NULL || texts->interval != NULL ||
	             texts->max_bytes != NULL || texts->max_time != NULL;
	int found = find_word(switches, texts->check != NULL ? texts->check : "true");
	int required = find_word(switches, texts->required != NULL ? texts->required : "false");

	if (given && texts->folder == NULL)
		config_loader_missing(self, "catalogues.folder");
	if (given && texts->signer == NULL)
		config_loader_missing(self, "catalogues.signer");
	if (found < 0)
		config_loader_problem(self, "catalogues.check", "must be true or false");
	if (required < 0)
		config_loader_problem(self, "catalogues.required", "must be true or false");
	if (found == 0 && required == 1)
		config_loader_problem(self, "catalogues.required",
		    "must not be true where `catalogues.check` is false");
	self->config->catalogues.check = found == 1;
	self->config->catalogues.required = required == 1;
}

static bool
is_user(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > MAX_USER || text[0] == '-')
		return false;
	for (; *text != '\0'; text++) {
		if (*text <= ' ' || *text > '~' || *text == ':' || *text == '/')
			return false;
	}
	return true;
}

static void
load_user(struct config_loader *self)
{
	const char *text = self->texts->user;

	if (text == NULL)
		return;
	if (!is_user(text))
		config_loader_problem(self, "user", "must be the name of a user");
	else
		self->config->user = config_loader_never_null(strdup(text));
}

void
config_scalars_load(struct config_loader *self)
{
	load_quantities(self);
	load_paths(self);
	load_words(self);
	load_catalogues(self);
	load_user(self);
}

void
config_scalars_each_text(struct config *config, config_text_fn *fn, void *arg)
{
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		fn((char **)(void *)((char *)config + paths[i].value), arg);
	fn(&config->user, arg);
	fn(&config->probe, arg);
	fn(&config->store_host, arg);
	fn(&config->store_name, arg);
	fn(&config->store_pins, arg);
}

/*
 * The values as text.
 */

static void
print_value(const char *key, const char *value, const struct config_scalars_reader *reader)
{
	reader->fn(key, value != NULL ? value : CONFIG_NO_VALUE, reader->arg);
}

static void
print_quantity(const struct quantity *row, const struct config_scalars_reader *reader)
{
	const void *at = (const char *)reader->config + row->value;
	char *text = row->kind->text(at);

	print_value(row->key, text, reader);
	free(text);
}

static void
print_path(const struct path *row, const struct config_scalars_reader *reader)
{
	const void *at = (const char *)reader->config + row->value;
	const char *path = *(char *const *)at;

	print_value(row->key, path == NULL && is_special(row, "none") ? "none" : path, reader);
}

void
config_scalars_print(const struct config_scalars_reader *reader)
{
	const struct config *config = reader->config;

	if (config->workers == 0)
		print_value(workers.key, "auto", reader);
	else
		print_quantity(&workers, reader);
	print_value("user", config->user, reader);
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		print_path(&paths[i], reader);
	print_value("tls.ciphers", ciphers[config->tls.ciphers], reader);
	print_value("log.level", levels[config->log_level], reader);
	print_value("log.audit", switches[config->audit], reader);
	print_value("catalogues.check", switches[config->catalogues.check], reader);
	print_value("catalogues.required", switches[config->catalogues.required], reader);
	print_value("store.probe", config->probe, reader);
	print_value("store.host", config->store_host, reader);
	print_value("store.name", config->store_name, reader);
	print_value("store.pins", config->store_pins, reader);
	print_quantity(&reserved, reader);
	for (size_t i = 0; i < sizeof quantities / sizeof quantities[0]; i++)
		print_quantity(&quantities[i], reader);
}
