/*
 * Snapshots on their way, below the state folder:
 *
 *	outgoing/TIME-SYSTEM-SHA256.json  waits to be sent
 *	receipts/SYSTEM-SHA256.json       what the server answered when it had filed that one
 *	refused/                          what it does not want: the snapshot, and .reason beside it
 *	lock                              held by the one process that sends
 *	adding                            shared by those that write into outgoing/
 *
 * A snapshot is on the disk before it is sent, and leaves outgoing/ only when its receipt, or the
 * reason of its refusal, is. A crash in between means that it is sent once more, which is harmless:
 * the store files it under the digest of its text.
 */
#ifndef CLIENT_SPOOL_H
#define CLIENT_SPOOL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "client/common/failure.h"
#include "crypto/digest.h"

enum { SPOOL_SYSTEM_SIZE = 129 }; /* the longest name of a system, and NUL */

struct spool_entry {
	char *file; /* its name in outgoing/ */
	char system[SPOOL_SYSTEM_SIZE];
	char sha256[DIGEST_SHA256_SIZE];
};

struct spool_list {
	struct spool_entry *entries; /* the oldest first */
	size_t count;
};

struct spool;

/* Makes STATE and the folders below when they are not there; NULL with FAILURE filled when it
 * cannot. */
struct spool *spool_open(const char *state, struct failure *failure);
void spool_close(struct spool *self);

/* Puts TEXT, a snapshot of SYSTEM, into outgoing/. Nothing happens when the latest one of SYSTEM
 * that waits there is the same. Returns the entry's file name, which the caller frees; NULL with
 * FAILURE filled when it could not be put on the disk. */
char *spool_add(
    struct spool *self, const char *system, const struct buffer *text, struct failure *failure);

/* What waits now. */
bool spool_list(struct spool *self, struct spool_list *list, struct failure *failure);
void spool_list_fini(struct spool_list *list);

/* Waits until this process is the only one that sends; until spool_close().
 * False, with FAILURE filled, when that takes too long. */
bool spool_lock(struct spool *self, struct failure *failure);

/* Reads ENTRY's text into TEXT, which is empty. False, with FAILURE_SNAPSHOT, when it is not what
 * was written there; with FAILURE_LOCAL when it cannot be read. */
bool spool_read(const struct spool *self, const struct spool_entry *entry, struct buffer *text,
    struct failure *failure);

/* For the holder of the lock: ends ENTRY's wait, once RECEIPT or REASON is on the disk. */
bool spool_keep_receipt(struct spool *self, const struct spool_entry *entry,
    const struct buffer *receipt, struct failure *failure);
bool spool_refuse(struct spool *self, const struct spool_entry *entry, const char *reason,
    struct failure *failure);

/* When FILE, which was in outgoing/, has been refused: false, with the reason in FAILURE. */
bool spool_was_taken(const struct spool *self, const char *file, struct failure *failure);

/* Names of folders and files, for messages; the caller frees the second. */
const char *spool_outgoing(const struct spool *self);
char *spool_receipt_name(const struct spool *self, const struct spool_entry *entry);

#endif
