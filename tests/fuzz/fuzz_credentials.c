/*
 * The file of credentials for the store: whatever it holds, the field that is made of it is one
 * line of a header, and says what the file says and nothing else.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "gateway/config/config_credentials.h"

/* The three bytes that FOUR digits of base64 stand for; how many of them there are. */
static size_t
decode_four(const char *four, unsigned char bytes[static 3])
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned long group = 0;
	size_t n = 3;

	for (size_t i = 0; i < 4; i++) {
		const char *digit = strchr(digits, four[i]);
		FUZZ_REQUIRE(digit != NULL || (four[i] == '=' && i > 1));
		n -= digit == NULL;
		group = group << 6 | (digit != NULL ? (unsigned long)(digit - digits) : 0);
	}
	for (size_t i = 0; i < 3; i++)
		bytes[i] = (unsigned char)(group >> (16 - 8 * i));
	return n;
}

/* DIGITS are the base64 of the LEN bytes of PAIR. */
static void
require_encoded(const char *digits, const char *pair, size_t len)
{
	unsigned char bytes[3];
	size_t done = 0;

	FUZZ_REQUIRE(strlen(digits) == (len + 2) / 3 * 4);
	for (; *digits != '\0'; digits += 4) {
		size_t n = decode_four(digits, bytes);
		FUZZ_REQUIRE(done + n <= len && memcmp(pair + done, bytes, n) == 0);
		done += n;
	}
	FUZZ_REQUIRE(done == len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *defect = NULL;
	char *file = fuzz_copy(data, size);
	char *field = config_credentials_field(file, size, &defect);
	size_t len = size > 0 && file[size - 1] == '\n' ? size - 1 : size;

	FUZZ_REQUIRE((field == NULL) == (defect != NULL));
	if (field != NULL && strncmp(field, "Basic ", 6) == 0) {
		FUZZ_REQUIRE(memcmp(file, "basic ", 6) == 0);
		require_encoded(field + 6, file + 6, len - 6);
	} else if (field != NULL) {
		FUZZ_REQUIRE(strncmp(field, "Bearer ", 7) == 0 && memcmp(file, "bearer ", 7) == 0);
		FUZZ_REQUIRE(strlen(field) == len && memcmp(field + 7, file + 7, len - 7) == 0);
		FUZZ_REQUIRE(strpbrk(field + 7, " \r\n\t:") == NULL);
	}
	free(field);
	free(file);
	return 0;
}
