/*
 * `spot fetch`: a version of a product, complete and verified, in a folder.
 *
 * The catalogue of the version says what belongs there; it is checked before anything else is
 * asked for. A file that is there already, as the catalogue has it, is not downloaded again. The
 * catalogue itself and its signature are put into the folder last, and the next fetch of the newest
 * version refuses one that is older. What else lies in the folder stays.
 */
#ifndef CLIENT_FETCH_H
#define CLIENT_FETCH_H

#include <stdbool.h>

#include "failure.h"
#include "https.h"

struct fetch_order {
	const char *product;
	const char *version; /* NULL: the newest */
	const char *folder;  /* is made when it is not there */
	const char *cache;   /* remembers that the folder was filled */
	const char *release; /* PEM file of the certificate that signs catalogues; NULL: none */
};

bool fetch_product(const struct fetch_order *order, struct https *https, struct failure *failure);

#endif
