/*
 * Ending a change of a folder that an earlier run began: see fetch_change.h.
 */
#ifndef CLIENT_FETCH_RECOVER_H
#define CLIENT_FETCH_RECOVER_H

#include "client/common/failure.h"

/* Ends a change that was cut in the folder ROOT, which the caller has locked and messages call
 * FOLDER. True also when there is no such change, or not all that it needs is there. What is due
 * then is hook_due.h's business. */
bool fetch_recover(int root, const char *folder, struct failure *failure);

#endif
