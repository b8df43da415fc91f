/*
 * `mirrorgate status`, `reload`, `drain`, `customers` and `cut`: commands to a running gate.
 */
#ifndef GATEWAY_ADMIN_COMMAND_H
#define GATEWAY_ADMIN_COMMAND_H

#include <stdbool.h>

/* What -h prints of them: whole lines. */
extern const char admin_command_usage[];

/* Whether WORD, the first argument, is one of them. */
bool admin_command_is_one(const char *word);

/* Obeys the command line and returns the exit status. Only for one of them. */
int admin_command_run(int argc, char **argv);

#endif
