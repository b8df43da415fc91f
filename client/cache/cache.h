/*
 * Artifacts by their content, shared by all who use spot on this machine. Below the folder:
 *
 *	sha256/AB/HEX  an object: HEX is the SHA-256 of its bytes, AB the first two digits
 *	sha1/AB/HEX    a symbolic link to the object with that SHA-1
 *	parts/         downloads that go on or were cut (cache_part.h)
 *	installed/     where products are installed (install.h)
 *
 * Nothing that lies there is believed: an object is read to its end before each use, and one that
 * is not what its name says is taken away, to be downloaded again. There is no lock on objects:
 *each appears under its name whole, and whoever has opened one keeps it whatever others do.
 */
#ifndef CLIENT_CACHE_H
#define CLIENT_CACHE_H

#include <stdbool.h>

#include "client/common/failure.h"
#include "crypto/digest.h"

struct cache;

/* Makes FOLDER, and what is missing below it. NULL, with FAILURE filled, when it cannot be used. */
struct cache *cache_open(const char *folder, struct failure *failure);
void cache_close(struct cache *self);

/* The same for one who only looks, and changes nothing: a folder that is not there is an empty
 * cache, and damage stays. Only what reads may be asked of it. */
struct cache *cache_open_to_look(const char *folder, struct failure *failure);

enum cache_result {
	CACHE_DONE,
	CACHE_ABSENT, /* not there, or it was damaged and is not there any more */
	CACHE_FAILED, /* FAILURE says why */
};

/* Writes the object that WANTED names to the empty file TO. DONE: every byte was written, and is
 * right. Otherwise TO holds anything. */
enum cache_result cache_copy(
    struct cache *self, const struct digest *wanted, int to, struct failure *failure);

/* DONE when the object that WANTED names is right: it was read to its end. */
enum cache_result cache_check(
    struct cache *self, const struct digest *wanted, struct failure *failure);

/* Gives the object one more name, LINK in FOLDER, on the same file system (a hard link): what is
 * linked is the file that was just read and found right. One that has as many names as its file
 * system allows keeps them, and a copy of it becomes the object. A LINK that is there already
 * fails. */
enum cache_result cache_link(struct cache *self, const struct digest *wanted, int folder,
    const char *link, struct failure *failure);

/* Takes the file NAME in the folder FOLDER into the cache, on the same file system: it has been
 * synced, and its bytes are ACTUAL, which has both digests. It has only its new name afterwards,
 * which a crash may take away: that costs a download. */
bool cache_adopt(struct cache *self, int folder, const char *name, const struct digest *actual,
    struct failure *failure);

/* True when there is an object of that name and size. Its bytes are not looked at: for those who
 * only want to know whether to bring it. */
bool cache_has(const struct cache *self, const struct digest *wanted);

/* The folder of parts, for those who download. */
int cache_parts(const struct cache *self);

/* An open folder on the disk that the cache is on, or would be. */
int cache_disk(const struct cache *self);

#endif
