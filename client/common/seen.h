/*
 * What was seen, and must not be forgotten: a folder in the cache, seen/, for one process at a
 * time.
 */
#ifndef CLIENT_SEEN_H
#define CLIENT_SEEN_H

#include "failure.h"

#define SEEN_FOLDER "seen"

/* Makes the folder in CACHE, which is made, too, when it is not there, and takes its lock; closing
 * what is returned gives that back. -1 with FAILURE filled. */
int seen_lock(const char *cache, struct failure *failure);

#endif
