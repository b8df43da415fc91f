/*
 * Indexes: what is read prints as the same bytes, and holds nothing but sorted versions.
 */
#include <string.h>

#include "base/value.h"
#include "catalogue/catalogue.h"
#include "client/release/index.h"
#include "fuzz.h"

static void
require_sound(const struct index *index)
{
	uint32_t day;
	struct failure failure;

	FUZZ_REQUIRE(value_is_id(index->product) && value_day(index->expires, &day));
	FUZZ_REQUIRE(index->serial > 0 && index->serial <= INDEX_MAX_SERIAL);
	FUZZ_REQUIRE(index->version_count > 0 && index->version_count <= INDEX_MAX_VERSIONS);
	for (size_t i = 0; i < index->version_count; i++) {
		FUZZ_REQUIRE(catalogue_is_version(index->versions[i]));
		FUZZ_REQUIRE(index_has(index, index->versions[i]));
		FUZZ_REQUIRE(i == 0 || catalogue_compare_versions(
		                           index->versions[i - 1], index->versions[i]) < 0);
	}
	(void)index_is_current(index, &failure);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer text = {0}, out = {0};
	struct failure failure = {0};

	buffer_append(&text, data, size);
	struct index *index = index_read(&text, "hostile", &failure);
	if (index != NULL) {
		require_sound(index);
		index_print(index, &out);
		FUZZ_REQUIRE(
		    buffer_size(&out) == size && memcmp(buffer_bytes(&out), data, size) == 0);
	} else {
		FUZZ_REQUIRE(failure.kind == FAILURE_CATALOGUE);
		FUZZ_REQUIRE(fuzz_is_printable(failure.text, strlen(failure.text)));
	}
	index_free(index);
	buffer_fini(&out);
	buffer_fini(&text);
	return 0;
}
