/*
 * The moves of a change, each of which can be taken back: between the folder ROOT and the staging
 * folder STAGE, on one file system. No symbolic link is followed.
 */
#ifndef CLIENT_FETCH_STEPS_H
#define CLIENT_FETCH_STEPS_H

#include <stdbool.h>
#include <stddef.h>

#include "client/common/failure.h"

/* The longest name of what is staged, and NUL. */
enum { FETCH_STEPS_NAME_MAX = 32 };

struct fetch_steps {
	int root, stage;
	bool batch; /* on the disk after fetch_steps_sync(); else each is when it is made */
	struct fetch_step *steps; /* that were made */
	size_t count, capacity;
};

bool fetch_steps_is_staged(const struct fetch_steps *self, const char *name);

/* What stands at PATH goes into the stage as NAME. False with errno set. */
bool fetch_steps_move_out(struct fetch_steps *self, const char *name, const char *path);

/* Gives what is staged as NAME its place PATH; what stands there is staged as NAME then, when
 * EXCHANGE says so and the file system can, else under another name. */
bool fetch_steps_place(struct fetch_steps *self, const char *name, const char *path, bool exchange,
    struct failure *failure);

/* Gives what stands at PATH the first free name of PATH.orig, PATH.orig.1 and so on; its last
 * segment, which lives as long as SELF, or NULL with errno set. */
const char *fetch_steps_move_aside(struct fetch_steps *self, const char *path);

/* Makes the folder PATH, of the staged one NAME while there is such a one. *MADE is false when it
 * was there already. False with errno set. */
bool fetch_steps_make_folder(
    struct fetch_steps *self, const char *name, const char *path, bool *made);

/* True when there was an empty folder PATH, and it is gone. */
bool fetch_steps_remove_folder(struct fetch_steps *self, const char *path);

/* Brings the steps to the disk. False with errno set. */
bool fetch_steps_sync(const struct fetch_steps *self);

/* True when all is as it was before the first step. */
bool fetch_steps_take_back(struct fetch_steps *self);
void fetch_steps_fini(struct fetch_steps *self);

#endif
