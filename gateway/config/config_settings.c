/* Settings as text. The one hard part: two texts may be of different releases, so keys are looked
 * up by name, and what one side lacks counts as having no value. */
#include "config_settings.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "config_scalars.h"

/* What is made once, before the first connection: sockets, processes and who they are. */
static const char *const needs_restart[] = {"listen", "workers", "user", "admin_socket"};

static void
print(const char *key, const char *value, void *out)
{
	buffer_printf(out, "%s: %s\n", key, value);
}

/* A comma before all but the first. */
static void
add_to_list(struct buffer *out, const char *text)
{
	if (buffer_size(out) > 0)
		buffer_puts(out, ", ");
	buffer_puts(out, text);
}

static void
print_list(const char *key, struct buffer *list, const char *if_empty, struct buffer *out)
{
	bool is_empty = buffer_size(list) == 0;

	buffer_append(list, "", 1);
	print(key, is_empty ? if_empty : buffer_bytes(list), out);
	buffer_fini(list);
}

static void
add_network(struct buffer *out, const struct config_network *network)
{
	char text[INET6_ADDRSTRLEN];

	if (inet_ntop(network->family, network->address, text, sizeof text) == NULL)
		abort();
	buffer_printf(out, " %s/%u", text, network->prefix_bits);
}

static void
print_listens(const struct config *config, struct buffer *out)
{
	struct buffer list = {0};

	for (size_t i = 0; i < config->listen_count; i++) {
		const struct config_listen *listen = &config->listens[i];
		add_to_list(&list, listen->text);
		if (listen->proxy_from_count > 0)
			buffer_puts(&list, " with PROXY from");
		for (size_t n = 0; n < listen->proxy_from_count; n++)
			add_network(&list, &listen->proxy_from[n]);
	}
	print_list("listen", &list, CONFIG_NO_VALUE, out);
}

static void
print_server_names(const struct config *config, struct buffer *out)
{
	struct buffer list = {0};

	for (size_t i = 0; i < config->server_name_count; i++)
		add_to_list(&list, config->server_names[i]);
	print_list("server_names", &list, CONFIG_NO_VALUE, out);
}

static void
print_stores(const struct config *config, struct buffer *out)
{
	struct buffer list = {0};

	for (size_t i = 0; i < config->store_count; i++)
		add_to_list(&list, config->stores[i].name);
	print_list("store.servers", &list, CONFIG_NO_VALUE, out);
}

void
config_settings_print(const struct config *config, struct buffer *out)
{
	const struct config_scalars_reader reader = {config, print, out};

	print_listens(config, out);
	print_server_names(config, out);
	print_stores(config, out);
	config_scalars_print(&reader);
}

/* ---- comparing ---- */

/* Takes the next line from *TEXT as KEY and VALUE, the caller's. False at the end. */
static bool
next_setting(const char **text, char **key, char **value)
{
	const char *end = strchr(*text, '\n'), *colon;

	while (end != NULL) {
		colon = memmem(*text, (size_t)(end - *text), ": ", 2);
		if (colon != NULL) {
			*key = buffer_copy(*text, (size_t)(colon - *text));
			*value = buffer_copy(colon + 2, (size_t)(end - colon - 2));
			*text = end + 1;
			return true;
		}
		*text = end + 1;
		end = strchr(*text, '\n');
	}
	return false;
}

/* The value of KEY in TEXT, the caller's; NULL when it is not there. */
static char *
find(const char *text, const char *key)
{
	char *other, *value;

	while (next_setting(&text, &other, &value)) {
		bool found = strcmp(key, other) == 0;
		free(other);
		if (found)
			return value;
		free(value);
	}
	return NULL;
}

static bool
needs_a_restart(const char *key)
{
	for (size_t i = 0; i < sizeof needs_restart / sizeof needs_restart[0]; i++)
		if (strcmp(needs_restart[i], key) == 0)
			return true;
	return false;
}

unsigned
config_settings_compare(const char *before, const char *after, config_change_fn *fn, void *arg)
{
	unsigned restarts = 0;
	char *key, *value;

	while (next_setting(&after, &key, &value)) {
		char *old = find(before, key);
		const struct config_change change = {
		    key, old != NULL ? old : CONFIG_NO_VALUE, value, needs_a_restart(key)};
		if (strcmp(change.before, change.after) != 0) {
			restarts += change.needs_restart;
			fn(&change, arg);
		}
		free(old);
		free(value);
		free(key);
	}
	return restarts;
}
