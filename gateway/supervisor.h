/*
 * The supervisor: binds the sockets, builds generations, keeps one worker on each core, obeys
 * signals. It never reads a byte from the network.
 */
#ifndef GATEWAY_SUPERVISOR_H
#define GATEWAY_SUPERVISOR_H

#include "config.h"

/* Serves until a signal ends it; returns the exit status. */
int supervisor_run(const struct config *config);

#endif
