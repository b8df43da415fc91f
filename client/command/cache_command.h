/* What `spot cache gc` and `spot cache verify` print. */
#ifndef CLIENT_CACHE_COMMAND_H
#define CLIENT_CACHE_COMMAND_H

#include "base/buffer.h"
#include "client/common/failure.h"

/* Makes the cache in FOLDER no larger than MAX, "500M" say, and appends one JSON object to OUT. */
bool cache_command_gc(
    const char *folder, const char *max, struct buffer *out, struct failure *failure);

/* Verifies and repairs it. False, too, when something was damaged, however it ended. */
bool cache_command_verify(const char *folder, struct buffer *out, struct failure *failure);

#endif
