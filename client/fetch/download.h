/*
 * Bringing many artifacts into the cache: in parallel, each resumed where an earlier run was cut,
 * each checked, none that is there already asked for.
 */
#ifndef CLIENT_DOWNLOAD_H
#define CLIENT_DOWNLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/cache/cache.h"
#include "client/common/failure.h"
#include "client/net/https.h"

struct download_item {
	const struct digest *digest;
	char *path; /* on the servers */
};

struct download_order {
	struct cache *cache;
	struct https *https;
	const char *what; /* for the progress that is shown: "step-core 10.3" */
	const struct download_item *items;
	size_t count;

	/* Called for each item once all objects are in the cache, whoever brought them there;
	 * false, with FAILURE filled, ends it all. May be NULL. */
	bool (*ready)(void *arg, size_t item, struct failure *failure);
	void *arg;
};

struct download_count {
	size_t files;   /* that were downloaded, not found */
	uint64_t bytes; /* of content that came over the wire for them, in all tries of this run */
};

/* Returns true when every item's object is in the cache. After a failure what has come of the
 * others stays in the cache, whole or as a part. COUNT is added to in either case. */
bool download_all(
    const struct download_order *order, struct download_count *count, struct failure *failure);

#endif
