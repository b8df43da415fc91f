/*
 * The file of the access log, which the supervisor opens by name, often as root.
 */
#ifndef GATEWAY_LOG_FILE_H
#define GATEWAY_LOG_FILE_H

#include "gateway/config/config.h"
#include "sandbox.h"

/* Opens the log that CONFIG names, for appending; a missing file is made. It must be what it says:
 * no symbolic link, no second name of another file, and of an owner who may as well write our log,
 * who is root, this process's user or USER; for the folder may be one that others can write to.
 * Without a log, which is logged, the descriptor leads nowhere. -1, with a logged reason. */
int log_file_open(const struct config *config, const struct sandbox_user *user);

#endif
