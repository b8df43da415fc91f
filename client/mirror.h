/*
 * `spot mirror`: a complete, verified copy of the licensed products, for a mirror's own store.
 *
 * mirror_tree.h has the folder, mirror_product.h what belongs there, mirror_leaving.h what leaves.
 */
#ifndef CLIENT_MIRROR_H
#define CLIENT_MIRROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "failure.h"
#include "https.h"
#include "mirror_report.h"

#define MIRROR_GRACE ((uint64_t)7 * 24 * 60 * 60)

struct mirror_order {
	const char *folder; /* is made when it is not there */
	char *const
	    *products; /* none: all that the licence has now, and only then products leave */
	size_t product_count;
	uint64_t grace; /* seconds */
	bool verify;    /* every byte of what is in place */
};

/* "7d", "12h", "30m" or "0s" as seconds. */
bool mirror_read_grace(const char *text, uint64_t *seconds);

/* Does what ORDER says and fills in REPORT, which is new. FAILURE is the first one. Sets the umask
 * of the process to 022: what is served is for all to read. */
bool mirror_run(const struct mirror_order *order, const struct config *config, struct https *https,
    struct mirror_report *report, struct failure *failure);

#endif
