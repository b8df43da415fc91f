/* A part of a whole, as users write it: a number of things, or a percentage of them. */
#ifndef CLIENT_SHARE_H
#define CLIENT_SHARE_H

#include <stdbool.h>
#include <stdint.h>

struct share {
	uint64_t number;
	bool is_percent; /* 0 to 100 */
};

/* Reads "20" or "10%"; false, with SELF left alone, for anything else. */
bool share_read(const char *text, struct share *self);

/* How many of WHOLE that is, rounded down; but at least one, unless SELF is 0 or 0%. */
uint64_t share_of(const struct share *self, uint64_t whole);

#endif
