/*
 * Licences as `spot` reads them: no control byte is printed, of paths in UTF-8 (which
 * require_sound() holds to the rules of paths) as little as of the rest, and what is printed as
 * JSON is a licence that prints the same.
 */
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/value.h"
#include "client/release/licence.h"
#include "fuzz.h"

enum { DEL = 0x7f };

static struct licence *
read_bytes(const void *bytes, size_t len)
{
	struct buffer text = {0};
	struct failure failure = {0};

	buffer_append(&text, bytes, len);
	struct licence *licence = licence_read(&text, &failure);
	FUZZ_REQUIRE((licence == NULL) == (failure.kind == FAILURE_ANSWER));
	buffer_fini(&text);
	return licence;
}

static void
require_sound(const struct licence_product *product)
{
	uint32_t day;

	FUZZ_REQUIRE(value_is_id(product->product));
	FUZZ_REQUIRE(product->from == NULL || value_day(product->from, &day));
	FUZZ_REQUIRE(product->until == NULL || value_day(product->until, &day));
	for (size_t i = 0; i < product->path_count; i++)
		FUZZ_REQUIRE(path_defect(product->paths[i], strlen(product->paths[i])) == NULL);
}

static void
require_table(const struct licence *licence)
{
	struct buffer out = {0};
	size_t lines = 0;

	licence_print(licence, &out);
	for (size_t i = 0; i < buffer_size(&out); i++) {
		unsigned char c = (unsigned char)buffer_bytes(&out)[i];
		lines += c == '\n';
		FUZZ_REQUIRE(c == '\n' || (c >= ' ' && c != DEL));
	}
	FUZZ_REQUIRE(lines == licence->product_count + 1);
	buffer_fini(&out);
}

static void
require_same_again(const struct licence *licence)
{
	struct buffer out = {0}, again = {0};

	licence_print_json(licence, &out);
	struct licence *second = read_bytes(buffer_bytes(&out), buffer_size(&out));
	FUZZ_REQUIRE(second != NULL);
	licence_print_json(second, &again);
	FUZZ_REQUIRE(buffer_size(&again) == buffer_size(&out));
	FUZZ_REQUIRE(memcmp(buffer_bytes(&again), buffer_bytes(&out), buffer_size(&out)) == 0);
	licence_free(second);
	buffer_fini(&again);
	buffer_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct licence *licence = read_bytes(data, size);

	if (licence == NULL)
		return 0;
	FUZZ_REQUIRE(value_is_id(licence->customer));
	for (size_t i = 0; i < licence->product_count; i++)
		require_sound(&licence->products[i]);
	require_table(licence);
	require_same_again(licence);
	licence_free(licence);
	return 0;
}
