/* The inside of what a mirror remembers, for it and for what removes. */
#ifndef CLIENT_MIRROR_MEMORY_PRIVATE_H
#define CLIENT_MIRROR_MEMORY_PRIVATE_H

#include <dirent.h>

#include "mirror_memory.h"

/* A product below a path. */
struct mirror_memory_place {
	char *name; /* PRODUCT-SHA256 */
	char *product, *base;
	bool kept;
};

struct mirror_memory {
	struct mirror_tree *tree;
	struct mirror_report *report;
	uint64_t now; /* seconds since 1970 */
	struct mirror_rules rules;
	uint64_t whole, removed; /* versions: in place before the first removal, and removals */
	int products, indexes, leaving; /* the folders in DIR/.spot */
	struct mirror_memory_place *places;
	size_t count;
};

/* PRODUCT-SHA256; the caller frees it. */
char *mirror_memory_place_name(const char *product, const char *base);

/* FOLDER's entries from the first one on; NULL with errno set. */
DIR *mirror_memory_entries(int folder);

/* Sets *DUE when what NAME stands for, which is missed in this run, too, has been for the grace
 * time or longer; for how long is noted down. */
bool mirror_memory_miss(
    struct mirror_memory *self, const char *name, bool *due, struct failure *failure);

/* Forgets that what NAME stands for was missed. */
bool mirror_memory_forget(
    const struct mirror_memory *self, const char *name, struct failure *failure);

#endif
