/*
 * The staging folder: everything new of a version, complete and on the disk, beside the old, on the
 * same file system, before anything old is touched. Below ROOT, which the caller has locked, it is
 * called CATALOGUE_PART_NAME, and no symbolic link is ever followed.
 */
#ifndef CLIENT_FETCH_STAGE_H
#define CLIENT_FETCH_STAGE_H

#include "base/buffer.h"
#include "catalogue/catalogue.h"
#include "client/cache/cache.h"
#include "client/common/failure.h"
#include "client/common/rights.h"

struct fetch_stage {
	int root, folder;
	const struct rights *rights; /* of what is staged; NULL for one that was found */
	bool batch; /* what is staged is on the disk after fetch_stage_sync(), not before */
};

/* Begins with an empty one, for what is given RIGHTS, about COUNT files; false, with FAILURE
 * filled, when it cannot be made. */
bool fetch_stage_begin(struct fetch_stage *self, int root, const struct rights *rights,
    size_t count, struct failure *failure);

/* Opens the one that is there; false when there is none. The caller closes its folder. */
bool fetch_stage_find(struct fetch_stage *self, int root);

/* Takes away what is staged, and closes. */
void fetch_stage_end(struct fetch_stage *self);

/* Takes away what a process that was killed has left below ROOT. */
void fetch_stage_sweep(int root);

/* Puts a copy of FILE from CACHE under the staging name NAME, or makes the link or the folder that
 * FILE is. It gets the permissions MODE; when that is -1, those that RIGHTS or the umask
 * leave of how it was released. When it is not DONE, nothing is there. */
enum cache_result fetch_stage_file(const struct fetch_stage *self, const char *name,
    const struct catalogue_file *file, int mode, struct cache *cache, struct failure *failure);

/* The same with TEXT; an empty folder. */
bool fetch_stage_text(const struct fetch_stage *self, const char *name, const struct buffer *text,
    struct failure *failure);
bool fetch_stage_folder(const struct fetch_stage *self, const char *name, struct failure *failure);

/* What is staged stays after a crash. */
bool fetch_stage_sync(const struct fetch_stage *self, struct failure *failure);

/* Gives what is staged as NAME its place PATH below ROOT, in one step. */
bool fetch_stage_place(
    const struct fetch_stage *self, const char *name, const char *path, struct failure *failure);

#endif
