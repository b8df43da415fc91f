/*
 * `spot mirror`: a complete, verified copy of the licensed products, for a mirror's own store.
 *
 * mirror_tree.h has the folder, mirror_product.h what belongs there, mirror_removal.h what leaves.
 */
#ifndef CLIENT_MIRROR_H
#define CLIENT_MIRROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/common/config.h"
#include "client/common/failure.h"
#include "client/net/https.h"
#include "mirror_report.h"

#define MIRROR_GRACE ((uint64_t)7 * 24 * 60 * 60)

struct mirror_order {
	const char *folder; /* is made when it is not there */
	char *const
	    *products; /* none: all that the licence has now, and only then products leave */
	size_t product_count;
	uint64_t grace;            /* seconds */
	uint64_t interval;         /* seconds from one run to the next, usually */
	struct share max_removals; /* in this run, of the versions in FOLDER */
	bool remove_unlicensed;    /* what the licence does not name goes, too, once due */
	bool verify;               /* every byte of what is in place */
};

/* Does what ORDER says and fills in REPORT, which is new. FAILURE is the first one. Sets the umask
 * of the process to 022: what is served is for all to read. */
bool mirror_run(const struct mirror_order *order, const struct config *config, struct https *https,
    struct mirror_report *report, struct failure *failure);

#endif
