/*
 * The PROXY header as it arrives: each prefix of the input in turn.
 *
 * Once there is an answer, more bytes never change it, and an answer there must be before the
 * bytes that a header may have are used up.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "gateway/client_side/proxy_header.h"

struct reading {
	enum proxy_header_result result;
	size_t used;
	struct sockaddr_storage client;
};

static struct reading
read_prefix(const uint8_t *data, size_t len)
{
	struct reading reading = {.used = SIZE_MAX};
	char *bytes = fuzz_copy(data, len);

	reading.result = proxy_header_read(bytes, len, &reading.used, &reading.client);
	free(bytes);
	return reading;
}

static void
require_sound(const struct reading *reading, size_t len)
{
	sa_family_t family = reading->client.ss_family;

	if (reading->result == PROXY_HEADER_INCOMPLETE)
		FUZZ_REQUIRE(len < PROXY_HEADER_MAX);
	if (reading->result != PROXY_HEADER_COMPLETE)
		return;
	FUZZ_REQUIRE(reading->used > 0 && reading->used <= len);
	FUZZ_REQUIRE(reading->used <= PROXY_HEADER_MAX);
	FUZZ_REQUIRE(family == AF_INET || family == AF_INET6 || family == AF_UNSPEC);
}

/* EARLIER has an answer; NOW has one byte more. */
static void
require_unchanged(const struct reading *earlier, const struct reading *now)
{
	FUZZ_REQUIRE(now->result == earlier->result);
	if (now->result != PROXY_HEADER_COMPLETE)
		return;
	FUZZ_REQUIRE(now->used == earlier->used);
	FUZZ_REQUIRE(memcmp(&now->client, &earlier->client, sizeof now->client) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reading earlier = {.result = PROXY_HEADER_INCOMPLETE};

	for (size_t len = 0; len <= size; len++) {
		struct reading now = read_prefix(data, len);
		require_sound(&now, len);
		if (earlier.result != PROXY_HEADER_INCOMPLETE)
			require_unchanged(&earlier, &now);
		earlier = now;
	}
	return 0;
}
