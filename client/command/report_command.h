/* `spot report`: who runs what, by the snapshots in the folder of a store. */
#ifndef CLIENT_REPORT_COMMAND_H
#define CLIENT_REPORT_COMMAND_H

#include "client/common/failure.h"
#include "options.h"

/* Prints the report to standard output. False with FAILURE filled; with --strict also when
 * something was passed over, after the report, which in JSON has told of it. */
bool report_command(const struct options *options, struct failure *failure);

#endif
