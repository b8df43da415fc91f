/*
 * This program started anew as another process, which takes over from this one.
 *
 * The new process has the listening sockets as a service manager passes them (sd_listen_fds(3)),
 * and, in MIRRORGATE_UPGRADE, a channel to the process that started it. Which file is started is
 * what the command line says by now: its first word, looked up as the shell does.
 */
#ifndef GATEWAY_UPGRADE_H
#define GATEWAY_UPGRADE_H

#include <stddef.h>
#include <sys/types.h>

/* The command line of this process; to be called before anything else is. ARGV stays the caller's
 * and unchanged. */
void upgrade_remember(char **argv);

/* Starts the program with the COUNT sockets FDS, which stay the caller's, and returns its process;
 * *CHANNEL is this end. A program that cannot be started ends with a logged reason. -1 with errno
 * set when there can be no process. */
pid_t upgrade_start(const int *fds, size_t count, int *channel);

/* The channel to the process that has started this one as its successor, the caller's; -1 when none
 * has. Only the first call tells. */
int upgrade_inherit(void);

#endif
