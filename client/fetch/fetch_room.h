/*
 * Whether a version has room, before anything of it is loaded: bytes and inodes, in the folder and
 * in the cache, which may lie on one file system. What is there besides, such as a quota, shows
 * when the files are made, which is before anything old is touched, too.
 */
#ifndef CLIENT_FETCH_ROOM_H
#define CLIENT_FETCH_ROOM_H

#include "client/release/release.h"
#include "download.h"

/* What is needed on one disk, and what is free there; UINT64_MAX when there is no limit. */
struct fetch_room_need {
	const char *where; /* a folder on it */
	uint64_t bytes, bytes_free;
	uint64_t files, files_free;
};

enum { FETCH_ROOM_DISKS = 2 };

struct fetch_room_needs {
	struct fetch_room_need disks[FETCH_ROOM_DISKS];
	size_t count;
	struct download_count load; /* what is to be downloaded */
};

struct fetch_room {
	int root;                          /* a folder on the disk of the version */
	const char *folder, *cache_folder; /* for messages */
	const struct cache *cache;
	const struct release *release;
	const bool *there;                 /* for each file: nothing of it is to be written */
	const struct download_item *items; /* what the cache does not have */
	size_t item_count, folder_count;   /* folders to be made */
};

/* Finds out what is needed, and what is free. */
bool fetch_room_measure(
    const struct fetch_room *self, struct fetch_room_needs *needs, struct failure *failure);

/* False, with FAILURE saying what is needed and what is free, when NEEDS has no room. */
bool fetch_room_judge(
    const struct fetch_room *self, const struct fetch_room_needs *needs, struct failure *failure);

/* Both. False, with FAILURE saying what is needed and what is free, when it has none. */
bool fetch_room_check(const struct fetch_room *self, struct failure *failure);

#endif
