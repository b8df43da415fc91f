/* Versions with an epoch. Nothing is hard here: an epoch is a version, too. */
#include "version_order.h"

#include <string.h>

#include "catalogue/catalogue.h"

#define DIGITS "0123456789"

enum { VERSION_SIZE = 65 }; /* of the longest that a snapshot may have, with its NUL */

/* Copies the epoch of VERSION; returns what is behind it. */
static const char *
take_epoch(const char *version, char epoch[VERSION_SIZE])
{
	size_t len = strspn(version, DIGITS);

	if (len == 0 || len >= VERSION_SIZE || version[len] != ':') {
		memcpy(epoch, "0", 2);
		return version;
	}
	memcpy(epoch, version, len);
	epoch[len] = '\0';
	return version + len + 1;
}

int
version_order_compare(const char *a, const char *b)
{
	char x[VERSION_SIZE], y[VERSION_SIZE];
	const char *of_a = take_epoch(a, x), *of_b = take_epoch(b, y);
	int order = catalogue_compare_versions(x, y);

	return order != 0 ? order : catalogue_compare_versions(of_a, of_b);
}
