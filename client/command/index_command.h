/* `spot catalogue index`: the vendor's list of a product's versions; no server is asked. */
#ifndef CLIENT_INDEX_COMMAND_H
#define CLIENT_INDEX_COMMAND_H

#include <stdbool.h>

#include "client/common/failure.h"

/* What it is told. KEY NULL stands for the file beside the certificate whose name ends in .key
 * instead of .crt. The last day of the index is EXPIRES, or the one on which EXPIRES_IN, a
 * duration, ends; without either that is INDEX_COMMAND_EXPIRES_IN. */
struct index_order {
	const char *folder, *product, *expires, *expires_in, *certificate, *key;
};

#define INDEX_COMMAND_EXPIRES_IN "7d"

/* Writes index.json, with the versions that are in the folder and a serial one higher than before,
 * and catalogue.json, a copy of the newest version's; and the signatures of both. */
bool index_command_make(const struct index_order *order, struct failure *failure);

#endif
