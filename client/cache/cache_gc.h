/* `spot cache gc`: a cache that is no larger than it may be. */
#ifndef CLIENT_CACHE_GC_H
#define CLIENT_CACHE_GC_H

#include <stddef.h>
#include <stdint.h>

#include "cache.h"

struct cache_gc_result {
	size_t removed, kept; /* objects and parts */
	uint64_t removed_bytes, kept_bytes;
};

/* Takes away what was used longest ago until no more than MAX bytes are left, parts that nobody
 * went on with for a week, and index entries that name nothing. Waits until nobody else has the
 * cache open, and keeps others waiting meanwhile. */
bool cache_gc(
    struct cache *self, uint64_t max, struct cache_gc_result *result, struct failure *failure);

#endif
