/*
 * The files of a version: what is missing is brought into the cache first, then everything new is
 * staged in the folder, and only then the folder is changed, by renames and removals. A run that
 * fails or is cut before that leaves the old version as it was.
 */
#ifndef CLIENT_FETCH_FILES_H
#define CLIENT_FETCH_FILES_H

#include "client/common/config.h"
#include "client/release/release.h"
#include "download.h"
#include "fetch_outlook.h"

struct fetch_files {
	int root; /* the folder, locked by the caller; with OUTLOOK, -1 when it is not there */
	const char *folder;
	struct cache *cache;
	const char *cache_folder; /* which will remember RECORD */
	const char *record;       /* the folder that was asked for: FOLDER or the one above */
	const struct release *release;
	const char *base;            /* of the product on the servers */
	const struct catalogue *old; /* of what is in the folder; NULL: nothing */

	/* The version that this one follows, from which configuration and permissions that somebody
	 * changed come: OLD in the folder itself, or the one that is current in a folder of its
	 * own, from which what was edited has been carried over. */
	const struct catalogue *before; /* NULL: none */
	int before_root;

	const struct config_hooks *hooks; /* for a change of the folder; NULL: it is not current */

	/* When not NULL, nothing is changed, and this is filled in: CACHE is only looked at. */
	struct fetch_outlook *outlook;
	const struct rights *rights; /* of what is made */
};

/* What was done. */
struct fetch_result {
	char *version;
	size_t files;         /* of the catalogue */
	size_t kept;          /* were right in the folder */
	size_t removed;       /* of the version before */
	struct buffer beside; /* what was put beside edited configuration, as strings of JSON */
	bool withdrawn;       /* the index does not name it, and it stays since it was there */
	struct download_count loaded;
};

/* Makes the folder hold every file of the release's catalogue and that itself, and takes away those
 * of the old one that the new one does not name, unless they were changed since. RESULT, which is
 * zeroed, is filled in as far as it came. */
bool fetch_files(const struct fetch_files *order, struct https *https, struct fetch_result *result,
    struct failure *failure);

/* How many files were in the cache: neither kept nor downloaded. */
size_t fetch_files_cached(const struct fetch_result *result);

#endif
