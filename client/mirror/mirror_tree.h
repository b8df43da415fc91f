/*
 * The folder that a mirror serves: how anything gets into it, and out of it, whole.
 *
 * Files stand under their paths on the servers. DIR/.spot/ is spot's own:
 *
 *	mirror.lock  held while a mirror is at work
 *	staging/     what is put together or taken apart; emptied at each start
 *
 * and what cache.h and mirror_memory.h say. Nothing appears in DIR but by rename(2) from staging:
 * versions as whole folders, the few files beside them each whole. No file of DIR is ever written
 * to. Whatever is interrupted leaves DIR right, and something in staging. It is on the disk before
 * its name is, and the name is before a function here returns.
 *
 * Below DIR no symbolic link is followed.
 */
#ifndef CLIENT_MIRROR_TREE_H
#define CLIENT_MIRROR_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "client/common/failure.h"

#define MIRROR_TREE_OWN ".spot"

struct mirror_tree;

/* Makes FOLDER when it is not there, and locks it until mirror_tree_close(). NULL, with FAILURE
 * filled, also when another process has it, or its file system cannot exchange two folders in one
 * step (renameat2(2)). */
struct mirror_tree *mirror_tree_open(const char *folder, struct failure *failure);
void mirror_tree_close(struct mirror_tree *self);

/* The name of DIR/.spot, and of the file REST in the folder of BASE, a path like
 * "/artifacts/step-core/"; the caller frees the second. */
const char *mirror_tree_own(const struct mirror_tree *self);
char *mirror_tree_name(const struct mirror_tree *self, const char *base, const char *rest);

/* Opens the folder of BASE, made when it is not there; the caller closes it. -1, with FAILURE
 * filled, when it cannot. */
int mirror_tree_make(const struct mirror_tree *self, const char *base, struct failure *failure);

/* The same for the folder NAME in DIR/.spot. */
int mirror_tree_make_own(const struct mirror_tree *self, const char *name, struct failure *failure);

/* Sets *FOLDER to the folder of BASE, or to -1 when it is not there. */
bool mirror_tree_find(
    const struct mirror_tree *self, const char *base, int *folder, struct failure *failure);

/* ---- a version ---- */

/* A new folder in staging, which belongs to SELF until it is published or dropped: one at a time.
 * -1, with FAILURE filled, when it cannot be made. */
int mirror_tree_stage(struct mirror_tree *self, struct failure *failure);

/* Makes the folder below STAGE in which the last segment of PATH stands, which *NAME is set to, and
 * opens it; the caller closes it. */
int mirror_tree_stage_folder(
    int stage, const char *path, const char **name, struct failure *failure);

/* Makes the file NAME in STAGE. */
bool mirror_tree_stage_file(
    int stage, const char *name, const struct buffer *content, struct failure *failure);

/* Gives what was staged, COUNT files, the name VERSION in FOLDER. With REPLACES there is such a
 * folder, which is exchanged for it and then removed; without, the name must be free. */
bool mirror_tree_publish(struct mirror_tree *self, int folder, const char *version, size_t count,
    bool replaces, struct failure *failure);

/* Removes what was staged, if there is anything. */
void mirror_tree_drop_stage(struct mirror_tree *self);

/* Removes the folder VERSION from FOLDER: its name first, in one step. */
bool mirror_tree_remove(
    struct mirror_tree *self, int folder, const char *version, struct failure *failure);

/* ---- files beside the versions, and spot's own ---- */

struct mirror_tree_file {
	const char *name;
	const struct buffer *content;
};

/* Makes the COUNT FILES in FOLDER hold their contents, each whole, and all at nearly the same
 * moment: they are written first, and renamed in a row. One that holds it already is not touched.
 */
bool mirror_tree_put(struct mirror_tree *self, int folder, const struct mirror_tree_file *files,
    size_t count, struct failure *failure);

/* Removes NAME from FOLDER if it is there. */
bool mirror_tree_unlink(int folder, const char *name, struct failure *failure);

#endif
