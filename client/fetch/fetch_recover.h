/*
 * Ending a change of a folder that an earlier run began: see fetch_change.h.
 */
#ifndef CLIENT_FETCH_RECOVER_H
#define CLIENT_FETCH_RECOVER_H

#include "client/common/config.h"
#include "client/common/failure.h"

/* Ends a change that was cut in the folder ROOT, which the caller has locked and messages call
 * FOLDER, and runs the hook `after` then; HOOKS is NULL when there are none. True also when there
 * is no such change, or not all that it needs is there. */
bool fetch_recover(
    int root, const char *folder, const struct config_hooks *hooks, struct failure *failure);

#endif
