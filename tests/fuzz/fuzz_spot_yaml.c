/*
 * spot.yaml: a text either has problems, each with its file's name, or becomes a configuration in
 * which nothing of trust is missing.
 */
#include <stdlib.h>
#include <string.h>

#include "client/common/config.h"
#include "fuzz.h"

static bool
is_plain(const char *text)
{
	return fuzz_is_printable(text, strlen(text));
}

static void
require_sound(const struct config *config)
{
	FUZZ_REQUIRE(config->server_count > 0 && config->server_count <= CONFIG_MAX_SERVERS);
	FUZZ_REQUIRE(config->servers[config->server_count] == NULL);
	for (size_t i = 0; i < config->server_count; i++) {
		FUZZ_REQUIRE(strncmp(config->servers[i], "https://", 8) == 0);
		FUZZ_REQUIRE(is_plain(config->servers[i]));
		FUZZ_REQUIRE(strpbrk(config->servers[i] + 8, "/@?# \\%") == NULL);
	}
	/* At least two pins, of which each has 52 bytes, and ";" between. */
	size_t pins_len = strlen(config->pins);
	FUZZ_REQUIRE(pins_len >= 2 * 52 + 1 && (pins_len + 1) % 53 == 0);
	FUZZ_REQUIRE(is_plain(config->pins));
	FUZZ_REQUIRE(*config->certificate != '\0' && *config->ca != '\0');
	FUZZ_REQUIRE(config->key == NULL || *config->key != '\0');
	FUZZ_REQUIRE(config->key_passphrase_file == NULL || *config->key_passphrase_file != '\0');
	FUZZ_REQUIRE(*config->cache != '\0' && *config->state != '\0');
	FUZZ_REQUIRE(*config->proxy == '\0' || strncmp(config->proxy, "http://", 7) == 0);
	FUZZ_REQUIRE(config->tries > 0 && config->tries <= CONFIG_MAX_TRIES);
	FUZZ_REQUIRE(config->connections > 0 && config->connections <= CONFIG_MAX_CONNECTIONS);
	FUZZ_REQUIRE(config->lock_wait > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct problems *problems = problems_new();
	char *text = fuzz_copy(data, size);
	struct config *config = config_read("/etc/fuzz", text, size, problems);

	FUZZ_REQUIRE((config != NULL) == (problems_count(problems) == 0));
	for (size_t i = 0; i < problems_count(problems); i++)
		FUZZ_REQUIRE(strncmp(problems_text(problems, i), "/etc/fuzz:", 10) == 0);
	if (config != NULL)
		require_sound(config);
	config_free(config);
	free(text);
	problems_free(problems);
	return 0;
}
