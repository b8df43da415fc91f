/*
 * The folder that a version is brought into, for one process at a time.
 *
 * What is locked is a file in it that only its owner, and the group where that may write to the
 * folder, can open: whoever may only read the folder keeps nobody out. The file is there while the
 * folder is worked in, and what a killed process left of it harms nothing.
 */
#ifndef CLIENT_FETCH_FOLDER_H
#define CLIENT_FETCH_FOLDER_H

#include <stdbool.h>

#include "client/common/failure.h"
#include "client/common/rights.h"

struct fetch_folder {
	int root; /* the folder */
	int lock; /* -1: nobody can change the folder */
};

/* Opens the folder NAME, made with RIGHTS when it is not there, as soon as no other process works
 * in it, which is waited for (lock_take()); one on a file system that is mounted read-only at once.
 * False with FAILURE filled. */
bool fetch_folder_open(struct fetch_folder *self, const char *name, const struct rights *rights,
    struct failure *failure);
/* Opens the folder NAME to be looked at only, without its lock; ROOT is -1 when it is not there. */
bool fetch_folder_open_to_look(
    struct fetch_folder *self, const char *name, struct failure *failure);
void fetch_folder_close(struct fetch_folder *self);

#endif
