/*
 * The supervisor: binds the sockets, builds generations, keeps one worker on each core, obeys
 * signals. It never reads a byte from the network.
 */
#ifndef GATEWAY_SUPERVISOR_H
#define GATEWAY_SUPERVISOR_H

#include "gateway/config/config.h"

/* Serves until a signal ends it, first as CONFIG says; returns the exit status. CONFIG must live as
 * long. */
int supervisor_run(struct config *config);

#endif
