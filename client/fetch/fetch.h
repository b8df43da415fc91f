/*
 * `spot fetch`: a version of a product, complete and verified, in a folder.
 *
 * Which version is the newest, and which are withdrawn, the index of the product says, where there
 * is one. The catalogue of the version says what belongs there; it is checked before any file is
 * asked for. A file that is there already, as the catalogue has it, is kept; one that the cache has
 * is copied from there; the others are downloaded into the cache first. The catalogue itself and
 * its signature are put into the folder last, and the next fetch of the newest version refuses one
 * that is older. What else lies in the folder stays.
 */
#ifndef CLIENT_FETCH_H
#define CLIENT_FETCH_H

#include <stdbool.h>

#include "client/common/config.h"
#include "client/common/failure.h"
#include "client/net/https.h"
#include "fetch_files.h"

struct fetch_order {
	const char *product;
	const char *version; /* NULL: the newest */
	const char *folder;  /* is made when it is not there */
	const struct config *config;
};

/* RESULT, which is zeroed, is filled in as far as it came. */
bool fetch_product(const struct fetch_order *order, struct https *https,
    struct fetch_result *result, struct failure *failure);

/* What fetch_product() would do: changes nothing, and ORDER's configuration must only look.
 * OUTLOOK, which is zeroed, is filled in. True also when there are obstacles. */
bool fetch_foresee(const struct fetch_order *order, struct https *https,
    struct fetch_outlook *outlook, struct failure *failure);

/* Makes the version that was there before the current one again, where versions lie side by side.
 * HOOKS are run, and no server is asked. RESULT, which is zeroed, gets its version. */
bool fetch_rollback(const char *folder, const struct config_hooks *hooks,
    struct fetch_result *result, struct failure *failure);
void fetch_result_fini(struct fetch_result *result);

/* Appends RESULT of ORDER as one JSON object. */
void fetch_print_json(
    const struct fetch_order *order, const struct fetch_result *result, struct buffer *out);

#endif
