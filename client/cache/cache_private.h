/* The inside of a cache, for the files cache*.c. */
#ifndef CLIENT_CACHE_PRIVATE_H
#define CLIENT_CACHE_PRIVATE_H

#include "cache.h"

enum cache_folder { CACHE_SHA256, CACHE_SHA1, CACHE_PARTS, CACHE_FOLDERS };

enum {
	CACHE_NAME_SIZE = DIGEST_SHA256_SIZE + 3,                       /* "AB/" and the digest */
	CACHE_KEY_SIZE = sizeof "sha1-" + DIGEST_SHA256_SIZE,           /* of a part */
	CACHE_LINK_SIZE = sizeof "../../sha256/" - 1 + CACHE_NAME_SIZE, /* of an index entry */
};

struct cache {
	char *folder;
	int root, folders[CACHE_FOLDERS];
	bool looks; /* changes nothing; folders that are not there are -1 */
	bool batch; /* what comes waits in LATE for the disk (cache_batch.h) */
	struct cache_late *late;
	size_t late_count, late_capacity;
	int lock; /* shared by all who use objects, held alone by who takes some away */
};

/* "AB/HEX" */
void cache_object_name(const char *hex, char name[CACHE_NAME_SIZE]);

/* Takes away the file, link or empty folder NAME. False, with errno set, when it is still there. */
bool cache_take_away(int folder, const char *name);

/* Turns the lock into HOW, LOCK_SH or LOCK_EX, waiting for others when there is need; false,
 * with FAILURE filled, when that takes too long. */
bool cache_lock(struct cache *self, int how, struct failure *failure);

/* Reads FD to its end, writes what is there to TO unless that is -1, and tells the digest. False
 * when it cannot be read, is longer than MAX, or (*WRITE_FAILED, with errno) cannot be written. */
bool cache_digest(int fd, int to, uint64_t max, struct digest *digest, bool *write_failed);

/* What the index says of SHA1; false when there is no entry. */
bool cache_look_up(const struct cache *self, const char *sha1, char sha256[DIGEST_SHA256_SIZE]);

/* Makes the index name the object ACTUAL by its SHA-1. An index that is missing only costs a
 * download some day: whatever fails is passed over. */
void cache_index(struct cache *self, const struct digest *actual);

/* Calls VISIT for all that stands two levels below FOLDER, NAME being "AB/...", in no order; it may
 * take away what it is shown. False, with FAILURE filled, when a folder cannot be read or VISIT
 * says so. */
typedef bool cache_visit(void *arg, const char *name, struct failure *failure);
bool cache_walk(struct cache *self, enum cache_folder folder, cache_visit *visit, void *arg,
    struct failure *failure);

/* True for "AB/" and the LEN hexadecimal digits of a digest that begins so. */
bool cache_walk_is_object_name(const char *name, size_t len);

/* Fills in FAILURE with what could not be done to NAME, by errno. */
bool cache_fail(
    const struct cache *self, struct failure *failure, const char *doing, const char *name);

#endif
