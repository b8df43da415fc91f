/*
 * What leaves a mirror: versions that the index does not name any more, and products that the
 * licence does not have any more. Each goes only when it has not come back for the grace time.
 *
 * DIR/.spot/ remembers, by files that survive restarts:
 *
 *	products/PLACE         PLACE is PRODUCT-SHA256: a product is mirrored below the path whose
 *	                       SHA-256 that is; the file holds the path
 *	indexes/PRODUCT        the index of the product that was followed last, put in place or not
 *	leaving/PLACE          when the product was first missed, in seconds since 1970
 *	leaving/PLACE-VERSION  when one of its versions was
 *
 * Nothing is removed but folders that hold a catalogue of the product and the version that they are
 * named for, and the product's own index and catalogue beside them.
 */
#ifndef CLIENT_MIRROR_LEAVING_H
#define CLIENT_MIRROR_LEAVING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "failure.h"
#include "index.h"
#include "mirror_report.h"
#include "mirror_tree.h"

#define MIRROR_LEAVING_INDEXES "indexes"

struct mirror_leaving;

/* What is due at NOW, after GRACE seconds, is removed from TREE and told to REPORT. NULL with
 * FAILURE filled when what is remembered cannot be used. */
struct mirror_leaving *mirror_leaving_open(struct mirror_tree *tree, struct mirror_report *report,
    time_t now, uint64_t grace, struct failure *failure);
void mirror_leaving_close(struct mirror_leaving *self);

/* Remembers that PRODUCT is mirrored below BASE, and forgets that it was missed. */
bool mirror_leaving_keep_product(
    struct mirror_leaving *self, const char *product, const char *base, struct failure *failure);

/* Remembers TEXT as the index of PRODUCT that was followed last. */
bool mirror_leaving_keep_index(struct mirror_leaving *self, const char *product,
    const struct buffer *text, struct failure *failure);

/* Forgets that VERSION was missed. */
bool mirror_leaving_keep_version(struct mirror_leaving *self, const char *product, const char *base,
    const char *version, struct failure *failure);

/* The versions in place that INDEX, the product's, does not name leave. */
bool mirror_leaving_versions(struct mirror_leaving *self, const struct index *index,
    const char *base, struct failure *failure);

/* The products that are remembered and were not kept since mirror_leaving_open() leave. What fails
 * is told to the report. */
void mirror_leaving_products(struct mirror_leaving *self);

#endif
