/*
 * Many artifacts that come one after the other, brought to the disk in one go.
 *
 * While a batch goes on, what has come whole stays a part, and may be taken up by others as any
 * part; it becomes an object once the disk has it.
 */
#ifndef CLIENT_CACHE_BATCH_H
#define CLIENT_CACHE_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "client/common/failure.h"
#include "crypto/digest.h"

struct cache;

/* Begins a batch of about COUNT artifacts. False, and nothing is begun, when there are too few, or
 * the file system is none for it: then each becomes an object when it has come. */
bool cache_batch_begin(struct cache *self, size_t count);

/* Brings what has come since to the disk, and makes objects of it, but for what others have taken
 * up meanwhile. Without a batch it does nothing. False, with FAILURE filled, when something could
 * not be written; what has come is there as parts then. */
bool cache_batch_end(struct cache *self, struct failure *failure);

/* Takes the part KEY, open as FD, whose bytes are ACTUAL, into the batch that goes on; false when
 * there is none. */
bool cache_batch_take(struct cache *self, const char *key, int fd, const struct digest *actual);

#endif
