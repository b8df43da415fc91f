/* What a command goes by: the configuration, and what the command line says instead. */
#ifndef CLIENT_SETTINGS_H
#define CLIENT_SETTINGS_H

#include "client/common/config.h"
#include "client/common/failure.h"
#include "options.h"

/* Loads the configuration, and makes what it says of the whole process count: how long locks are
 * waited for, and the time that its cache remembers. Prints every mistake of the file itself;
 * FAILURE then only counts them. NULL with FAILURE filled. */
struct config *settings_load(const struct options *options, struct failure *failure);

#endif
