/*
 * Problem documents as `spot` tells them: the first byte picks the status, the rest is the body.
 * Whatever it says, the sentence is plain and ends, and only a gate's word makes it a revoked
 * certificate.
 */
#include <stdlib.h>
#include <string.h>

#include "client/net/answer.h"
#include "fuzz.h"

static const long statuses[] = {
    204, 302, 400, 403, 404, 408, 410, 412, 429, 431, 500, 501, 502, 503, 504, 599};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, data + size};
	long status = statuses[fuzz_take_byte(&input) % (sizeof statuses / sizeof *statuses)];
	size_t len = (size_t)(input.end - input.at);
	char *body = fuzz_copy(input.at, len);
	struct failure failure, bare;

	memset(&failure, 0xa5, sizeof failure);
	FUZZ_REQUIRE(!answer_judge("https://a.example", "/licence", status, body, len, &failure));
	(void)answer_judge("https://a.example", "/licence", status, "", 0, &bare);
	size_t text_len = strnlen(failure.text, sizeof failure.text);
	FUZZ_REQUIRE(text_len < sizeof failure.text && fuzz_is_printable(failure.text, text_len));
	FUZZ_REQUIRE(strncmp(failure.text, "https://a.example answers ", 26) == 0);
	FUZZ_REQUIRE(failure.status == status && failure.retry_after == 0 && !failure.told);
	/* The body has no say in whether a request is sent again, and little in the kind. */
	FUZZ_REQUIRE(failure.passes == bare.passes);
	FUZZ_REQUIRE(failure.kind == bare.kind || failure.kind == FAILURE_CERTIFICATE);
	free(body);
	return 0;
}
