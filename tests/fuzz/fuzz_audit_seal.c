/*
 * The seals of the access log: what is read is what the line ends with, byte for byte; and whatever
 * a client had written into a line, its seal is read as it was made.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_writer.h"
#include "fuzz.h"
#include "gateway/request/audit_chain.h"

/* The seal printed anew is the end of the line that it was read from. */
static void
require_same_end(const struct audit_seal *seal, const char *line, size_t len)
{
	struct buffer end = {0};

	if (seal->signature[0] != '\0')
		buffer_printf(&end, ",\"audit_signature\":\"%s\"", seal->signature);
	if (seal->lost > 0)
		buffer_printf(&end, ",\"audit_lost\":%" PRIu64, seal->lost);
	buffer_printf(
	    &end, ",\"audit\":\"%s.%" PRIu64 ".%s\"}", seal->id, seal->number, seal->before);
	FUZZ_REQUIRE(buffer_size(&end) <= len);
	FUZZ_REQUIRE(
	    memcmp(line + len - buffer_size(&end), buffer_bytes(&end), buffer_size(&end)) == 0);
	buffer_fini(&end);
}

static void
require_read_back(const char *text, size_t len, unsigned lost)
{
	struct audit_chain chain;
	struct audit_seal seal;
	struct buffer line = {0};

	audit_chain_begin(&chain, NULL);
	audit_chain_lose(&chain, lost);
	buffer_puts(&line, "{");
	json_writer_key(&line, "path");
	json_writer_bytes(&line, text, len);
	audit_chain_seal(&chain, &line, 0, false);
	FUZZ_REQUIRE(audit_chain_read(buffer_bytes(&line), buffer_size(&line), &seal));
	FUZZ_REQUIRE(strcmp(seal.id, chain.id) == 0 && seal.number == 1 && seal.lost == lost);
	FUZZ_REQUIRE(seal.signature[0] == '\0' && !seal.ends);
	buffer_fini(&line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct audit_seal seal;
	char *line = fuzz_copy(data, size);

	if (audit_chain_read(line, size, &seal))
		require_same_end(&seal, line, size);
	require_read_back(line, size, size > 0 ? data[0] : 0);
	free(line);
	return 0;
}
