/*
 * Receipts: one that fits a snapshot fits no other.
 */
#include <string.h>

#include "client/snapshot/receipt.h"
#include "fuzz.h"

/* As the seeds have them. */
#define SHA256 "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define OTHER "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
enum { LEN = 77 };

static bool
fits(const struct buffer *text, const char *system, const char *sha256, size_t len)
{
	struct failure failure = {0};
	bool result = receipt_check(text, system, sha256, len, &failure);

	FUZZ_REQUIRE(result == (failure.kind == FAILURE_NONE));
	FUZZ_REQUIRE(result || failure.kind == FAILURE_ANSWER);
	return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer text = {0};

	buffer_append(&text, data, size);
	if (fits(&text, "web-1", SHA256, LEN)) {
		FUZZ_REQUIRE(!fits(&text, "web-2", SHA256, LEN));
		FUZZ_REQUIRE(!fits(&text, "web-1", OTHER, LEN));
		FUZZ_REQUIRE(!fits(&text, "web-1", SHA256, LEN + 1));
	}
	buffer_fini(&text);
	return 0;
}
