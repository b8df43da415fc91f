/*
 * Where a worker's connections stand. The hard part is to look at few of many, and yet not always
 * at the same: they stand in one array in no order but that, of which a random sample is looked at.
 */
#include "room_places.h"

#include <assert.h>
#include <ev.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "connection_private.h"

struct room_places {
	struct connection **places;
	size_t resting; /* the first of them */
	size_t count, size;
	uint64_t random;
};

struct room_places *
room_places_new(void)
{
	struct room_places *self = buffer_alloc(sizeof *self);

	if (getrandom(&self->random, sizeof self->random, 0) != (ssize_t)sizeof self->random)
		abort();
	self->random |= 1;
	return self;
}

void
room_places_free(struct room_places *self)
{
	if (self == NULL)
		return;
	assert(self->count == 0);
	free(self->places);
	free(self);
}

static void
put(struct room_places *self, struct connection *connection, size_t place)
{
	assert(place < self->size);
	self->places[place] = connection;
	connection->place = place + 1;
}

/* Moves ONE to PLACE, and what is there to where ONE was. */
static void
swap(struct room_places *self, struct connection *one, size_t place)
{
	size_t from = one->place - 1;

	assert(one->place > 0 && self->places[from] == one && place < self->count);
	put(self, self->places[place], from);
	put(self, one, place);
}

/* Behind all others, as if in mid-request. */
static void
add(struct room_places *self, struct connection *connection)
{
	assert(connection->place == 0 && self->count <= self->size);
	if (self->count == self->size) {
		self->size = self->size > 0 ? 2 * self->size : ROOM_PLACES_SAMPLE;
		self->places = reallocarray(self->places, self->size, sizeof(struct connection *));
		if (self->places == NULL)
			abort();
	}
	put(self, connection, self->count++);
}

static void
set_resting(struct room_places *self, struct connection *connection, bool rests)
{
	assert(connection->place > 0 && connection->place <= self->count);
	assert(self->resting <= self->count);
	if (rests == (connection->place <= self->resting))
		return;
	if (rests)
		swap(self, connection, self->resting++);
	else
		swap(self, connection, --self->resting);
}

static void
take_out(struct room_places *self, struct connection *connection)
{
	set_resting(self, connection, false);
	assert(self->count > self->resting);
	swap(self, connection, self->count - 1);
	self->count--;
	connection->place = 0;
}

void
room_places_update(struct connection *self)
{
	struct room_places *places = self->services->places;

	self->state_since = clock_seconds();
	if (self->place == 0)
		add(places, self);
	if (self->state == CONN_CLOSED)
		take_out(places, self);
	else
		set_resting(
		    places, self, self->state != CONN_READ_BODY && self->state != CONN_ANSWER);
}

size_t
room_places_count(const struct room_places *self)
{
	return self->count;
}

size_t
room_places_resting(const struct room_places *self)
{
	return self->resting;
}

/* The generator of Marsaglia's "Xorshift RNGs" (2003). */
static size_t
random_below(struct room_places *self, size_t n)
{
	assert(n > 0 && self->random != 0);
	self->random ^= self->random << 13;
	self->random ^= self->random >> 7;
	self->random ^= self->random << 17;
	return (size_t)(self->random % n);
}

struct connection *
room_places_sample(struct room_places *self, size_t i, size_t from, size_t end)
{
	size_t n = end - from;

	assert(from < end && end <= self->count);
	assert(i < ROOM_PLACES_SAMPLE);
	return self->places[from + (n <= ROOM_PLACES_SAMPLE ? i : random_below(self, n))];
}
