/*
 * `spot fetch`: a version of a product, complete and verified, in a folder.
 *
 * The catalogue of the version says what belongs there; it is checked before anything else is
 * asked for. A file that is there already, as the catalogue has it, is kept; one that the cache has
 * is copied from there; the others are downloaded into the cache first. The catalogue itself and
 * its signature are put into the folder last, and the next fetch of the newest version refuses one
 * that is older. What else lies in the folder stays.
 */
#ifndef CLIENT_FETCH_H
#define CLIENT_FETCH_H

#include <stdbool.h>

#include "config.h"
#include "failure.h"
#include "fetch_files.h"
#include "https.h"

struct fetch_order {
	const char *product;
	const char *version; /* NULL: the newest */
	const char *folder;  /* is made when it is not there */
	const struct config *config;
};

/* RESULT, which is zeroed, is filled in as far as it came. */
bool fetch_product(const struct fetch_order *order, struct https *https,
    struct fetch_result *result, struct failure *failure);
void fetch_result_fini(struct fetch_result *result);

/* Appends RESULT of ORDER as one JSON object. */
void fetch_print_json(
    const struct fetch_order *order, const struct fetch_result *result, struct buffer *out);

#endif
