/* Reading UTF-8, strictly: what it accepts has exactly one spelling. */
#include "utf8.h"

#include <stdbool.h>

/* The length that the first byte of a character announces; 0: it is no first byte. */
static int
length_of(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

long
utf8_next(const unsigned char **at, const unsigned char *end)
{
	static const long least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *bytes = (*at)++;
	int length = length_of(bytes[0]);
	if (length == 1)
		return bytes[0];
	if (length == 0 || end - bytes < length)
		return -1;
	long character = bytes[0] & (0xff >> (length + 1));
	for (int i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return -1;
		character = character << 6 | (bytes[i] & 0x3f);
	}
	bool surrogate = character >= 0xd800 && character <= 0xdfff;
	if (character < least[length] || surrogate || character > 0x10ffff)
		return -1;
	*at = bytes + length;
	return character;
}
