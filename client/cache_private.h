/* The inside of a cache, for the files cache*.c. */
#ifndef CLIENT_CACHE_PRIVATE_H
#define CLIENT_CACHE_PRIVATE_H

#include "cache.h"

enum cache_folder { CACHE_SHA256, CACHE_SHA1, CACHE_PARTS, CACHE_FOLDERS };

enum {
	CACHE_NAME_SIZE = DIGEST_SHA256_SIZE + 3,                       /* "AB/" and the digest */
	CACHE_LINK_SIZE = sizeof "../../sha256/" - 1 + CACHE_NAME_SIZE, /* of an index entry */
};

struct cache {
	char *folder;
	int root, folders[CACHE_FOLDERS];
	int lock; /* shared by all who use objects, held alone by who takes some away */
};

/* "AB/HEX" */
void cache_object_name(const char *hex, char name[CACHE_NAME_SIZE]);

/* Turns the lock into HOW, LOCK_SH or LOCK_EX, waiting for others when there is need. */
bool cache_lock(struct cache *self, int how, struct failure *failure);

/* Fills in FAILURE with what could not be done to NAME, by errno. */
bool cache_fail(
    const struct cache *self, struct failure *failure, const char *doing, const char *name);

#endif
