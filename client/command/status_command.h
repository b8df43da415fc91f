/* `spot status`: what is installed, what is newer, and when what it needs ends. */
#ifndef CLIENT_STATUS_COMMAND_H
#define CLIENT_STATUS_COMMAND_H

#include "base/buffer.h"
#include "client/common/config.h"
#include "client/common/failure.h"

/* Fills OUT with what is known of the COUNT FOLDERS or, when that is 0, of all that the cache of
 * CONFIG, which only looks, remembers. Servers that cannot be reached are told of, and no failure.
 * False, with OUT filled and FAILURE telling the first: something is not whole or cannot be read,
 * or the servers refuse, or are not trusted. */
bool status_command(const struct config *config, char *const *folders, size_t count, bool json,
    struct buffer *out, struct failure *failure);

#endif
