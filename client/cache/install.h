/*
 * What is installed on this machine, for all who share a cache.
 *
 * Below the cache, installed/SHA256 names one folder that a fetch has filled: the file holds the
 * folder's path, and is called by the SHA-256 of that. Which product and version is there, the
 * folder's own catalogue says, so that the two never differ.
 */
#ifndef CLIENT_INSTALL_H
#define CLIENT_INSTALL_H

#include <stdbool.h>
#include <stddef.h>

#include "client/common/failure.h"

/* Makes CACHE, which is made when it is not there, remember FOLDER, by its path without links.
 * On the disk when it returns true. */
bool install_remember(const char *cache, const char *folder, struct failure *failure);

/* Where the version lies that counts in FOLDER: there, or where its link `current` leads. The
 * caller frees it. */
char *install_content(const char *folder);

struct install {
	char *folder, *product, *version;
};

struct install_list {
	struct install *installs; /* sorted by folder */
	size_t count, capacity;
};

/* Adds each folder that CACHE remembers and that lies in UNDER (NULL: all of them) to LIST, which
 * is empty. A folder that is gone, or has no catalogue, has nothing installed; one that cannot be
 * read is a failure, so that nothing is left out. */
bool install_list(
    const char *cache, const char *under, struct install_list *list, struct failure *failure);

/* The same, but what cannot be read keeps nothing else out of LIST. False, with FAILURE filled,
 * when there was such a thing. */
bool install_list_readable(const char *cache, struct install_list *list, struct failure *failure);
void install_list_fini(struct install_list *list);

#endif
