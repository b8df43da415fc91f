/* Commands on what is installed that bring nothing: `spot rollback`. */
#ifndef CLIENT_INSTALL_COMMAND_H
#define CLIENT_INSTALL_COMMAND_H

#include "base/buffer.h"
#include "client/common/config.h"
#include "client/common/failure.h"

/* Makes the previous version in FOLDER the current one, between HOOKS; OUT gets one JSON object. */
bool install_command_rollback(const char *folder, const struct config_hooks *hooks,
    struct buffer *out, struct failure *failure);

#endif
