/*
 * What leaves a mirror: versions that the index, which is signed, does not name any more; and, only
 * when the rules say so, products that the licence, which is not, does not have any more. Each goes
 * only when it has been missed for the grace time, and no more go in a run than the rules allow.
 *
 * Nothing is removed but folders that hold a catalogue of the product and the version that they are
 * named for, and the product's own index and catalogue beside them.
 */
#ifndef CLIENT_MIRROR_REMOVAL_H
#define CLIENT_MIRROR_REMOVAL_H

#include <stdbool.h>

#include "client/common/failure.h"
#include "client/release/index.h"
#include "mirror_memory.h"

/* The versions in place that INDEX, the product's, does not name leave. When more are due than this
 * run may remove, none of them goes, and that is the failure. */
bool mirror_removal_versions(struct mirror_memory *memory, const struct index *index,
    const char *base, struct failure *failure);

/* The products that are remembered and were not kept since mirror_memory_open() leave, all of their
 * versions or none, or stay and are named. What fails is told to the report. */
void mirror_removal_products(struct mirror_memory *memory);

#endif
