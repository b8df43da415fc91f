/*
 * ETag and Content-Range of an answer that goes on with a download, against a second definition of
 * both. The first 17 bytes are an offset, a size and what to do: the rest is the field's value, or
 * (odd) it is put behind the very value that was asked for.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/net/field.h"
#include "fuzz.h"

static uint64_t
take_number(struct fuzz_input *input)
{
	uint64_t number = 0;

	for (int i = 0; i < 8; i++)
		number = number << 8 | fuzz_take_byte(input);
	return number;
}

/* Reads digits without a leading zero; false when there are none or too many. */
static bool
scan_number(const char **at, uint64_t *number)
{
	const char *start = *at;

	*number = 0;
	for (; **at >= '0' && **at <= '9'; ++*at) {
		uint64_t digit = (uint64_t)(**at - '0');
		if (*number > (UINT64_MAX - digit) / 10)
			return false;
		*number = *number * 10 + digit;
	}
	return *at > start && (*start != '0' || *at == start + 1);
}

static bool
scan(const char **at, char expected)
{
	return *(*at)++ == expected;
}

/* RFC 9110, 14.4. */
static bool
means(const char *value, uint64_t offset, uint64_t size)
{
	uint64_t first, last, whole;

	if (strncmp(value, "bytes ", 6) != 0)
		return false;
	const char *at = value + 6;
	return scan_number(&at, &first) && scan(&at, '-') && scan_number(&at, &last) &&
	       scan(&at, '/') && scan_number(&at, &whole) && *at == '\0' && first == offset &&
	       offset < size && last == size - 1 && whole == size;
}

static void
check_etag(const char *value)
{
	size_t len = strlen(value);

	if (!field_is_strong_etag(value))
		return;
	FUZZ_REQUIRE(len >= 2 && strchr(value + 1, '"') == value + len - 1);
	FUZZ_REQUIRE(strpbrk(value, " \t\r\n\x7f") == NULL);
}

static char *
make_value(struct fuzz_input *input, bool right, uint64_t offset, uint64_t size)
{
	size_t len, rest_len = (size_t)(input->end - input->at);
	char *value = calloc(1, rest_len + 128);
	int head = 0;

	FUZZ_REQUIRE(value != NULL);
	if (right)
		head = snprintf(
		    value, 128, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, offset, size - 1, size);
	const uint8_t *rest = fuzz_take(input, rest_len, &len);
	if (len > 0)
		memcpy(value + head, rest, len);
	value[(size_t)head + len] = '\0';
	return value;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, data + size};
	uint64_t offset = take_number(&input), whole = take_number(&input);
	bool right = fuzz_take_byte(&input) % 2 == 1;
	char *value = make_value(&input, right, offset, whole);

	check_etag(value);
	FUZZ_REQUIRE(field_is_rest(value, offset, whole) == means(value, offset, whole));
	free(value);
	return 0;
}
