/* One file of a version, in the folder where it belongs. */
#ifndef CLIENT_FETCH_FILE_H
#define CLIENT_FETCH_FILE_H

#include "../policy/catalogue.h"
#include "cache.h"
#include "failure.h"

enum fetch_file_result {
	FETCH_FILE_KEPT,   /* it was there, and right */
	FETCH_FILE_COPIED, /* from the cache */
	FETCH_FILE_ABSENT, /* the cache does not have it: nothing was changed */
	FETCH_FILE_FAILED, /* FAILURE says why */
};

/* Makes FILE stand below the folder ROOT, which the caller has locked. Folders are made as needed;
 * a symbolic link below ROOT is never followed. The name holds either what it held before or the
 * right bytes, also after a crash. */
enum fetch_file_result fetch_file(
    int root, const struct catalogue_file *file, struct cache *cache, struct failure *failure);

#endif
