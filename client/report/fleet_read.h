/* A fleet from the folder of a store, which is only read. */
#ifndef CLIENT_FLEET_READ_H
#define CLIENT_FLEET_READ_H

#include "fleet.h"

/* Adds each system of which FOLDER holds a snapshot, as
 * FOLDER/snapshots/CUSTOMER/SYSTEM/DIGEST.json, with the one whose file was modified last: that is
 * when the system was last seen. Of two of one time, the greater name counts.
 *
 * Links below FOLDER are not followed. What is no snapshot, is not what its name says, has a name
 * that none has, is too large or cannot be read is told of and counted as passed over. False, with
 * FAILURE filled, when FOLDER itself, or its `snapshots`, cannot be read; when there is no such
 * folder yet, that is told, and the fleet is empty. */
bool fleet_read(struct fleet *fleet, const char *folder, struct failure *failure);

#endif
