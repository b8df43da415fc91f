/*
 * A part: an artifact on its way into the cache, in parts/ below it.
 *
 *	parts/KEY       the bytes that have come; KEY is the SHA-256, or "sha1-" and the SHA-1
 *	parts/KEY.etag  the strong ETag that they came with
 *
 * A part that was cut stays, and the next one who wants it goes on. Its file is locked by the one
 * process that writes it.
 */
#ifndef CLIENT_CACHE_PART_H
#define CLIENT_CACHE_PART_H

#include "cache.h"
#include "client/net/https.h"

struct cache_part;

/* How many bytes of WANTED an earlier run has left, or another one has loaded by now. */
uint64_t cache_part_there(const struct cache *cache, const struct digest *wanted);

/* Opens the part of WANTED, which is not in the cache, for this process alone; NAME is what
 * failures call it. All three outlive it. NULL with *BUSY when another one is at it, else with
 * FAILURE filled. */
struct cache_part *cache_part_open(struct cache *cache, const struct digest *wanted,
    const char *name, bool *busy, struct failure *failure);

/* Closes it; what has come stays for the next time. NULL does nothing. */
void cache_part_close(struct cache_part *self);

/* How many bytes are there. */
uint64_t cache_part_size(const struct cache_part *self);

/* The functions of a sink (https.h) but for its close(); ARG is the part. After cache_part_end()
 * returned true, the object is in the cache, or waits for cache_batch_end(). */
uint64_t cache_part_resume(void *arg, const char **etag);
bool cache_part_begin(void *arg, uint64_t offset, const char *etag, struct failure *failure);
bool cache_part_take(void *arg, const char *bytes, size_t len, struct failure *failure);
bool cache_part_end(void *arg, struct failure *failure);

#endif
