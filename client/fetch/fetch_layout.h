/*
 * How versions lie in a folder: one in place, or each in a folder of its name with a link `current`
 * to one of them, which is exchanged in one step.
 *
 * With `layout: versions`, DIR/10.3/ holds a version as DIR would otherwise, DIR/current is a
 * symbolic link to the one that counts, and DIR/previous one to that which did before. No other
 * version stays.
 */
#ifndef CLIENT_FETCH_LAYOUT_H
#define CLIENT_FETCH_LAYOUT_H

#include "fetch_files.h"

#define LAYOUT_CURRENT "current"
#define LAYOUT_PREVIOUS "previous"

/* As fetch_files(), where ORDER names the folder that was asked for. VERSIONS is what the
 * configuration wants for a folder that holds nothing yet; one that does stays as it is. */
bool fetch_layout_install(const struct fetch_files *order, bool versions, struct https *https,
    struct fetch_result *result, struct failure *failure);

/* As fetch_recover(), for the version that is current in the folder ROOT, when it has a folder of
 * its own there. */
bool fetch_layout_recover(int root, const char *folder, struct failure *failure);

/* Makes the previous version of the folder ROOT, which the caller has locked and messages call
 * FOLDER, the current one, and the other way round, after having read it; HOOKS are run. RESULT,
 * which is zeroed, gets its version. */
bool fetch_layout_rollback(int root, const char *folder, const struct config_hooks *hooks,
    struct fetch_result *result, struct failure *failure);

#endif
