/* Two fields. Nothing is hard: what we would not have said ourselves is not understood. */
#include "field.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { RANGE_SIZE = sizeof "bytes -/" + 3 * 20 }; /* three numbers of 64 bits */

bool
field_is_strong_etag(const char *value)
{
	size_t len = value != NULL ? strlen(value) : 0;

	if (len < 2 || value[0] != '"' || value[len - 1] != '"')
		return false;
	for (size_t i = 1; i < len - 1; i++) {
		unsigned char c = (unsigned char)value[i];
		if (c <= ' ' || c == '"' || c == 0x7f)
			return false;
	}
	return true;
}

bool
field_is_rest(const char *value, uint64_t offset, uint64_t size)
{
	char expected[RANGE_SIZE];

	if (value == NULL || offset >= size)
		return false;
	snprintf(expected, sizeof expected, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, offset,
	    size - 1, size);
	return strcmp(value, expected) == 0;
}
