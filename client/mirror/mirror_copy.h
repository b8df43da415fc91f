/*
 * One version of a product in a mirror: compared with what the servers offer, and brought to it.
 *
 * What is in place is kept when it is the same. Otherwise the version is put together anew, of
 * links to the pool's objects, and takes its place whole.
 */
#ifndef CLIENT_MIRROR_COPY_H
#define CLIENT_MIRROR_COPY_H

#include <stdbool.h>

#include "client/cache/cache.h"
#include "client/common/config.h"
#include "client/common/failure.h"
#include "client/net/https.h"
#include "client/release/release.h"
#include "mirror_report.h"
#include "mirror_tree.h"

/* What all versions of a product share. */
struct mirror_copy {
	struct mirror_tree *tree;
	struct cache *pool;
	struct https *https;
	const struct config *config;
	bool verify; /* every byte of what is in place */
	struct mirror_report *report;
	const char *product, *base;
	int folder; /* of BASE */
};

/* Makes VERSION stand in its place, and tells the report. RELEASE, which is zeroed, is its
 * catalogue then; the caller ends it. A failure leaves what was in place as it was. */
bool mirror_copy_version(const struct mirror_copy *self, const char *version,
    struct release *release, struct failure *failure);

/* True when VERSION's folder is in its place, with a catalogue that says so; what else has that
 * name there was not put there by a mirror. */
bool mirror_copy_is_there(
    const struct mirror_tree *tree, const char *base, const char *product, const char *version);

#endif
