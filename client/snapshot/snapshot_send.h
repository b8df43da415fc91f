/* Sending the snapshots that wait. */
#ifndef CLIENT_SNAPSHOT_SEND_H
#define CLIENT_SNAPSHOT_SEND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "client/common/failure.h"
#include "client/net/https.h"
#include "spool.h"

/* The path and the Content-Digest under which a snapshot is put; the caller frees them. */
char *snapshot_send_path(const char *system);
char *snapshot_send_digest(const char *sha256);

/* Sends what waits in SPOOL, which is locked, the oldest first. One that the server refuses for
 * good is moved aside and hinders no other; when the server or we have a problem that would meet
 * all of them, the rest waits. True when all were sent; else FAILURE is the first thing that went
 * wrong. The receipts of those that were sent are appended to RECEIPTS, as elements of a JSON list.
 */
bool snapshot_send(
    struct spool *spool, struct https *https, struct buffer *receipts, struct failure *failure);

#endif
