/*
 * Room on a node that is nearly full: which connection of a worker goes first.
 *
 * Connections of probes and observers stay; of the others, room_rank.h says which goes. A client
 * whose request has come already, though it has not been read, is not at rest.
 */
#ifndef GATEWAY_ROOM_H
#define GATEWAY_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "connection.h"

/* All look only at this worker, and at a random sample of its connections when there are many, so
 * that their time is bounded and nobody can hide. Each returns false when the room is not there. */

/* Sees to it that the node's reserve is free: it is for probes, observers, and customers that have
 * no other connection. Ends connections of whoever has AT_LEAST so many. */
bool room_restore(struct services *services, uint32_t at_least);
/* The same for SELF, whose customer has just been counted and has HAS connections with it. False
 * when there is no room for it, and the customer cannot have a part of the reserve. */
bool room_for_customer(struct connection *self, uint32_t has);
/* For the one place that a connection takes who is not known yet. */
bool room_for_one(struct services *services);

#endif
