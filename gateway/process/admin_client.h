/*
 * The other end of `admin_socket`: asks a running gate, from the command line.
 */
#ifndef GATEWAY_ADMIN_CLIENT_H
#define GATEWAY_ADMIN_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buffer.h"

/* Sends the command (and NAME, unless that is NULL) to the gate that listens at SOCKET; waits
 * PATIENCE seconds at most to be heard, and as long for the answer. Its text goes into TEXT,
 * without the end of the line. Returns it as an object, the caller's; NULL, after saying why on
 * standard error, when there is no answer or it says that nothing was done. */
json_t *admin_client_ask(
    const char *socket, const char *command, const char *name, int patience, struct buffer *text);

#endif
