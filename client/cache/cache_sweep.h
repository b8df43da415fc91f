/* Taking away what a mirror's pool does not need any more. */
#ifndef CLIENT_CACHE_SWEEP_H
#define CLIENT_CACHE_SWEEP_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "cache.h"
#include "client/common/failure.h"

/* Removes the objects that have no second name (a hard link, cache_link()), the parts, and the
 * links by SHA-1 that lead nowhere; what has changed since BEFORE, got or lost a name, say, stays.
 * With CACHE_SWEEP_ALL none does: files may be of a later time than the clock tells. */
#define CACHE_SWEEP_ALL ((time_t)INT64_MAX)
bool cache_sweep(struct cache *cache, time_t before, struct failure *failure);

#endif
