/*
 * Content-Digest: a value that is read says the same of itself when its digests are written anew,
 * and no content fits two digests.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "gateway/request/content_digest.h"

enum { VALUE_SIZE = 256 };

/* Appends NAME=:BASE64: to VALUE. */
static void
print(char value[VALUE_SIZE], const char *name, const unsigned char *digest, size_t len)
{
	unsigned char base64[128];
	size_t used = strlen(value);

	(void)EVP_EncodeBlock(base64, digest, (int)len);
	snprintf(value + used, VALUE_SIZE - used, "%s%s=:%s:", used > 0 ? ", " : "", name, base64);
}

/* What is written of the digests is read as the same ones, and stood in the input byte for byte. */
static void
require_same_again(const struct content_digest *digest, const char *text, size_t len)
{
	char value[VALUE_SIZE] = "";
	struct content_digest again;

	if (digest->has_sha256)
		print(value, "sha-256", digest->sha256, sizeof digest->sha256);
	FUZZ_REQUIRE(fuzz_holds(text, len, value));
	size_t first = strlen(value);
	if (digest->has_sha512) {
		print(value, "sha-512", digest->sha512, sizeof digest->sha512);
		FUZZ_REQUIRE(fuzz_holds(text, len, value + first + (first > 0 ? 2 : 0)));
	}
	if (value[0] == '\0')
		return;
	FUZZ_REQUIRE(content_digest_parse((struct http_span){value, strlen(value)}, &again));
	FUZZ_REQUIRE(again.has_sha256 == digest->has_sha256);
	FUZZ_REQUIRE(again.has_sha512 == digest->has_sha512);
	FUZZ_REQUIRE(
	    !again.has_sha256 || memcmp(again.sha256, digest->sha256, sizeof again.sha256) == 0);
	FUZZ_REQUIRE(
	    !again.has_sha512 || memcmp(again.sha512, digest->sha512, sizeof again.sha512) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct content_digest digest;
	char *text = fuzz_copy(data, size);

	if (content_digest_parse((struct http_span){text, size}, &digest)) {
		require_same_again(&digest, text, size);
		/* Nobody has a digest that fits two contents. */
		bool checked = digest.has_sha256 || digest.has_sha512;
		FUZZ_REQUIRE(!checked || content_digest_mismatch(&digest, "a", 1) != NULL ||
		             content_digest_mismatch(&digest, "b", 1) != NULL);
		FUZZ_REQUIRE(checked || content_digest_mismatch(&digest, "a", 1) == NULL);
	}
	free(text);
	return 0;
}
