/*
 * The latest index that was seen, in a file: no older one follows it.
 *
 * Clients remember it for each product in their cache, apart from the folders of installations:
 * seen/PRODUCT, byte for byte. What was seen once is remembered whatever becomes of the server.
 */
#ifndef CLIENT_INDEX_SEEN_H
#define CLIENT_INDEX_SEEN_H

#include <stdbool.h>

#include "index.h"

/* True when NEW, which was read from TEXT, may follow the index in the file NAME, or when there is
 * no such file: never one with a lower serial, and with the same one only the same bytes. False
 * with FAILURE filled otherwise: of the kind FAILURE_CATALOGUE when the server is to blame. */
bool index_seen_may_follow(
    const char *name, const struct index *new, const struct buffer *text, struct failure *failure);

/* Makes CACHE, which is made when it is not there, remember NEW, if that may follow what it
 * remembers of the product; on the disk when it returns true. Several at once wait for each other,
 * so that the highest one stays. */
bool index_seen_remember(
    const char *cache, const struct index *new, const struct buffer *text, struct failure *failure);

/* The same, without remembering it. */
bool index_seen_allows(
    const char *cache, const struct index *new, const struct buffer *text, struct failure *failure);

/* What CACHE remembers of PRODUCT, which the caller frees; NULL when that is nothing, or cannot be
 * read: FAILURE is filled then. */
struct index *index_seen_load(const char *cache, const char *product, struct failure *failure);

/* Sets *SEEN to whether CACHE remembers an index of PRODUCT. */
bool index_seen_has(const char *cache, const char *product, bool *seen, struct failure *failure);

#endif
