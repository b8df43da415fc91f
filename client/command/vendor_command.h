/* `spot catalogue`: the commands of the vendor, as the command line has them. */
#ifndef CLIENT_VENDOR_COMMAND_H
#define CLIENT_VENDOR_COMMAND_H

#include "client/common/failure.h"
#include "options.h"

bool vendor_command_make(const struct options *options, struct failure *failure);
bool vendor_command_check(const struct options *options, struct failure *failure);
bool vendor_command_index(const struct options *options, struct failure *failure);

#endif
