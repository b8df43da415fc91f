/* The inside of what leaves a mirror, for its two files. */
#ifndef CLIENT_MIRROR_LEAVING_PRIVATE_H
#define CLIENT_MIRROR_LEAVING_PRIVATE_H

#include <dirent.h>

#include "mirror_leaving.h"

/* A product below a path. */
struct mirror_leaving_place {
	char *name; /* PRODUCT-SHA256 */
	char *product, *base;
	bool kept;
};

struct mirror_leaving {
	struct mirror_tree *tree;
	struct mirror_report *report;
	time_t now;
	uint64_t grace;
	int products, indexes, leaving; /* the folders in DIR/.spot */
	struct mirror_leaving_place *places;
	size_t count;
};

/* PRODUCT-SHA256; the caller frees it. */
char *mirror_leaving_place_name(const char *product, const char *base);

/* FOLDER's entries from the first one on; NULL with errno set. */
DIR *mirror_leaving_entries(int folder);

/* Sets *DUE when what NAME stands for was first missed the grace time ago or longer; the first
 * time, now is noted down. */
bool mirror_leaving_miss(
    struct mirror_leaving *self, const char *name, bool *due, struct failure *failure);

/* Forgets that what NAME stands for was missed. */
bool mirror_leaving_forget(
    const struct mirror_leaving *self, const char *name, struct failure *failure);

#endif
