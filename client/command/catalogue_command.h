/* `spot catalogue`: making and checking catalogues on the vendor's machine; no server is asked. */
#ifndef CLIENT_CATALOGUE_COMMAND_H
#define CLIENT_CATALOGUE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "client/common/failure.h"

/* What `catalogue make` is told. All but KEY must be given; KEY NULL stands for the file beside the
 * certificate whose name ends in .key instead of .crt. */
struct catalogue_order {
	const char *folder, *product, *version, *expires, *certificate, *key;
	const char *const *configs; /* patterns of configuration files */
	size_t config_count;
};

/* Writes catalogue.json and its signature into the folder, the signature last. */
bool catalogue_command_make(const struct catalogue_order *order, struct failure *failure);

/* Checks signature, validity and form of FOLDER's catalogue, and that FOLDER holds exactly the
 * files that it names. */
bool catalogue_command_check(const char *folder, const char *signer, struct failure *failure);

#endif
