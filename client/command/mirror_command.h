/* The command line of `spot mirror`. */
#ifndef CLIENT_MIRROR_COMMAND_H
#define CLIENT_MIRROR_COMMAND_H

#include "client/common/config.h"
#include "client/mirror/mirror.h"
#include "options.h"

/* Fills in ORDER with what OPTIONS say, and CONFIG where they are silent. False with FAILURE
 * filled, of the kind FAILURE_USAGE. ORDER lives no longer than OPTIONS. */
bool mirror_command_read(struct mirror_order *order, const struct options *options,
    const struct config *config, struct failure *failure);

#endif
