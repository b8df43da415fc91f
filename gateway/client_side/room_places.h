/*
 * Where a worker's connections stand, for room.h: those at rest before those in mid-request, and
 * else in no order.
 */
#ifndef GATEWAY_ROOM_PLACES_H
#define GATEWAY_ROOM_PLACES_H

#include <stddef.h>

struct connection;
struct room_places;

struct room_places *room_places_new(void);
/* When no connection is left. */
void room_places_free(struct room_places *self);

/* Its state has changed, or it has just begun: gives SELF its place among its worker's. */
void room_places_update(struct connection *self);

/* The first of them rest. */
size_t room_places_count(const struct room_places *self);
size_t room_places_resting(const struct room_places *self);

enum { ROOM_PLACES_SAMPLE = 64 };
/* The one to look at as number I of a sample of that size, of the places FROM to END: each in turn
 * when there are no more than that, else any. */
struct connection *room_places_sample(struct room_places *self, size_t i, size_t from, size_t end);

#endif
