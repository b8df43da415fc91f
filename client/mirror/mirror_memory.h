/*
 * What a mirror remembers of what it has and of what is missed, since when. mirror_removal.h takes
 * away what is due.
 *
 * DIR/.spot/ remembers, by files that survive restarts:
 *
 *	products/PLACE         PLACE is PRODUCT-SHA256: a product is mirrored below the path whose
 *	                       SHA-256 that is; the file holds the path
 *	indexes/PRODUCT        the index of the product that was followed last, put in place or not
 *	leaving/PLACE          for how long the product has been missed
 *	leaving/PLACE-VERSION  for how long one of its versions has
 *
 * The last two hold two numbers: the seconds that were seen to go by, and, in seconds since 1970,
 * when that was last counted. Each run adds what has gone by since then, but no more than a step,
 * and nothing when the clock went back: a clock that is wrong makes nothing due.
 */
#ifndef CLIENT_MIRROR_MEMORY_H
#define CLIENT_MIRROR_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/buffer.h"
#include "client/common/failure.h"
#include "client/common/share.h"
#include "mirror_report.h"
#include "mirror_tree.h"

#define MIRROR_MEMORY_INDEXES "indexes"

struct mirror_memory;

/* When something goes. */
struct mirror_rules {
	uint64_t grace; /* seconds for which it was missed */
	uint64_t step;  /* seconds of them that one run adds at most */
	struct share max_removals;
	bool remove_unlicensed;
};

/* What is due at NOW by RULES is removed from TREE and told to REPORT. NULL with FAILURE filled
 * when what is remembered cannot be used. */
struct mirror_memory *mirror_memory_open(struct mirror_tree *tree, struct mirror_report *report,
    time_t now, const struct mirror_rules *rules, struct failure *failure);
void mirror_memory_close(struct mirror_memory *self);

/* Remembers that PRODUCT is mirrored below BASE, and forgets that it was missed. */
bool mirror_memory_keep_product(
    struct mirror_memory *self, const char *product, const char *base, struct failure *failure);

/* Remembers TEXT as the index of PRODUCT that was followed last. */
bool mirror_memory_keep_index(struct mirror_memory *self, const char *product,
    const struct buffer *text, struct failure *failure);

/* Forgets that VERSION was missed. */
bool mirror_memory_keep_version(struct mirror_memory *self, const char *product, const char *base,
    const char *version, struct failure *failure);

#endif
