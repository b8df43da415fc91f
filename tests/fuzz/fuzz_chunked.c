/*
 * The chunked coding: however a body is cut into pieces, it has the same content and the same end;
 * and its content, written anew as one chunk, is read as the same.
 *
 * The first byte of the input says how large the pieces are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "fuzz.h"
#include "gateway/http/chunked.h"

struct decoded {
	enum chunked_result result;
	struct buffer content;
	size_t used;
	const char *defect;
};

static struct decoded
decode(const char *bytes, size_t len, size_t step)
{
	struct decoded decoded = {.result = CHUNKED_MORE};
	struct chunked chunked = {0};

	while (decoded.used < len && decoded.result == CHUNKED_MORE) {
		size_t left = len - decoded.used, piece = left < step ? left : step, content, used;
		char *copy = fuzz_copy(bytes + decoded.used, piece);
		decoded.result = chunked_decode(&chunked, copy, piece, &content, &used);
		FUZZ_REQUIRE(used <= piece && content <= used);
		FUZZ_REQUIRE(decoded.result != CHUNKED_MORE || used == piece);
		FUZZ_REQUIRE((decoded.result == CHUNKED_BROKEN) == (chunked.defect != NULL));
		buffer_append(&decoded.content, copy, content);
		decoded.used += used;
		free(copy);
	}
	decoded.defect = chunked.defect;
	return decoded;
}

static void
require_same_again(const struct buffer *content)
{
	struct buffer text = {0};

	if (buffer_size(content) > 0) {
		buffer_printf(&text, "%zx\r\n", buffer_size(content));
		buffer_append(&text, buffer_bytes(content), buffer_size(content));
		buffer_puts(&text, "\r\n");
	}
	buffer_puts(&text, "0\r\n\r\n");
	struct decoded again = decode(buffer_bytes(&text), buffer_size(&text), 7);
	FUZZ_REQUIRE(again.result == CHUNKED_END && again.used == buffer_size(&text));
	FUZZ_REQUIRE(buffer_size(&again.content) == buffer_size(content));
	FUZZ_REQUIRE(
	    buffer_size(content) == 0 ||
	    memcmp(buffer_bytes(&again.content), buffer_bytes(content), buffer_size(content)) == 0);
	buffer_fini(&again.content);
	buffer_fini(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	const char *bytes = (const char *)data + 1;
	struct decoded whole = decode(bytes, size - 1, size);
	struct decoded pieces = decode(bytes, size - 1, (size_t)data[0] + 1);

	FUZZ_REQUIRE(whole.result == pieces.result && whole.used == pieces.used);
	FUZZ_REQUIRE(whole.defect == pieces.defect);
	FUZZ_REQUIRE(buffer_size(&whole.content) == buffer_size(&pieces.content));
	FUZZ_REQUIRE(buffer_size(&whole.content) == 0 ||
	             memcmp(buffer_bytes(&whole.content), buffer_bytes(&pieces.content),
	                 buffer_size(&whole.content)) == 0);
	if (whole.result == CHUNKED_END)
		require_same_again(&whole.content);
	buffer_fini(&whole.content);
	buffer_fini(&pieces.content);
	return 0;
}
