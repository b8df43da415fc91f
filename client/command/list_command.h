/* `spot list`: what is licensed, and what became of that which is installed here. */
#ifndef CLIENT_LIST_COMMAND_H
#define CLIENT_LIST_COMMAND_H

#include <stdbool.h>

#include "base/buffer.h"
#include "client/common/config.h"
#include "client/common/failure.h"
#include "client/net/https.h"

/* Appends to OUT the licence and, when anything is, what is installed on this machine by the
 * cache's records: whether that is the newest version, an older one, or one that the index of the
 * product does not name any more. An index that is not there, or cannot be trusted, leaves that
 * unknown; a note says why. False only when the licence cannot be had. */
bool list_command(const struct config *config, bool json, struct https *https, struct buffer *out,
    struct failure *failure);

#endif
