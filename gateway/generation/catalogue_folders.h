/*
 * Where catalogues may stand: for each path of a product that ends in "/" (its base), the folders
 * below ROOT/BASE whose names are versions.
 */
#ifndef GATEWAY_CATALOGUE_FOLDERS_H
#define GATEWAY_CATALOGUE_FOLDERS_H

#include <stddef.h>

#include "policy/policy.h"

struct catalogue_folder {
	const char *path;            /* as requests have it, with a slash at its end */
	const char *version;         /* the folder's name; NULL: it is the base itself */
	const char *const *products; /* ids of the products that have this base */
	size_t product_count;
	int fd;    /* the folder, for openat() and fstatat(); -1: it cannot be opened */
	int error; /* then errno says why */
};

typedef void catalogue_folder_fn(const struct catalogue_folder *folder, void *arg);

/* Calls FN for each base, and then for each version below it, always in the same order; texts and
 * descriptor live until FN returns. What does not exist is left out, but for ROOT itself: then no
 * base can be opened. A base that FN gets a second time cannot be read to its end. */
void catalogue_folders_each(
    const struct policy *policy, const char *root, catalogue_folder_fn *fn, void *arg);

#endif
