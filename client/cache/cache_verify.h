/* `spot cache verify`: all objects of a cache read, and what is damaged repaired. */
#ifndef CLIENT_CACHE_VERIFY_H
#define CLIENT_CACHE_VERIFY_H

#include <stddef.h>
#include <stdint.h>

#include "cache.h"

struct cache_verify_result {
	size_t objects; /* that were looked at */
	uint64_t bytes;
	size_t repaired; /* were damaged, and are right again from an installed copy */
	size_t removed;  /* were damaged, and are not there any more */
};

/* Reads all objects. One whose bytes are not what its name says is made again from a folder that
 * FOLDER, the name of the cache, remembers as installed, or taken away, to be downloaded when it is
 * wanted. The index of SHA-1 is right afterwards. False, with FAILURE filled, when the cache could
 * not be read. */
bool cache_verify(struct cache *self, const char *folder, struct cache_verify_result *result,
    struct failure *failure);

#endif
