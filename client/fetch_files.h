/*
 * The files of a version: what is missing is brought into the cache first, and only then the folder
 * is changed, in as short a time as copying takes. A run that is cut while it downloads leaves the
 * old version as it was.
 */
#ifndef CLIENT_FETCH_FILES_H
#define CLIENT_FETCH_FILES_H

#include "download.h"
#include "release.h"

struct fetch_files {
	int root; /* the folder, locked by the caller */
	const char *folder;
	struct cache *cache;
	const struct release *release;
	const char *base;            /* of the product on the servers */
	const struct catalogue *old; /* of what is in the folder; NULL: nothing */
};

/* What was done. */
struct fetch_result {
	char *version;
	size_t files;   /* of the catalogue */
	size_t kept;    /* were right in the folder */
	size_t removed; /* of the version before */
	struct download_count loaded;
};

/* Makes the folder hold every file of the release's catalogue, and takes away those of the old one
 * that the new one does not name, unless they were changed since. RESULT, which is zeroed, is
 * filled in as far as it came. */
bool fetch_files(const struct fetch_files *order, struct https *https, struct fetch_result *result,
    struct failure *failure);

/* How many files were in the cache: neither kept nor downloaded. */
size_t fetch_files_cached(const struct fetch_result *result);

/* The catalogue is in the folder now: what a killed process would have needed is taken away. */
void fetch_files_settled(const struct fetch_files *order);

#endif
