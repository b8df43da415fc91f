/*
 * `spot snapshot`: says what a system has, to the vendor, and to nobody more than that.
 */
#ifndef CLIENT_SNAPSHOT_COMMAND_H
#define CLIENT_SNAPSHOT_COMMAND_H

#include <stdbool.h>

#include "base/buffer.h"
#include "client/common/config.h"
#include "client/common/failure.h"

struct snapshot_order {
	const char *system; /* NULL: only what waits already */
	const char *from;   /* the file that says what is installed; NULL: what CACHE knows */
	const char *cache;
	const char *under; /* only what is installed in this folder; NULL: everything */
};

/* Appends to OUT the very bytes that would be sent, and sends nothing. */
bool snapshot_command_show(
    const struct snapshot_order *order, struct buffer *out, struct failure *failure);

/* Appends the snapshots that wait to OUT, one a line, or as one JSON object. */
bool snapshot_command_pending(
    const struct config *config, bool json, struct buffer *out, struct failure *failure);

/* Puts the snapshot on the disk, and sends it and all that wait. Appends to OUT a JSON object with
 * the receipts when all of them were filed. */
bool snapshot_command_send(const struct config *config, const struct snapshot_order *order,
    struct buffer *out, struct failure *failure);

#endif
