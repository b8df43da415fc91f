/* Whether what a folder's catalogue says is there. */
#ifndef CLIENT_INSTALLED_H
#define CLIENT_INSTALLED_H

#include <stdbool.h>

#include "catalogue/catalogue.h"
#include "client/common/failure.h"

/* Reads every file that FOLDER's catalogue names. False unless each is there with its size and
 * digests, or is configuration that was edited: the user is told of those that are not, by name,
 * and FAILURE, of the kind FAILURE_SNAPSHOT, names the first. */
bool installed_is_whole(const char *folder, struct failure *failure);

/* How many of CATALOGUE's files, by their kind and size alone, are not in FOLDER as they should be.
 * An edited configuration file is. */
size_t installed_count_missing(const char *folder, const struct catalogue *catalogue);

#endif
