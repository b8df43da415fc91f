/*
 * How often a worker has ended of late: when it is started again, and what is said of it.
 *
 * A worker that worked for CRASH_RECORD_STEADY seconds is started again at once, and so is one that
 * ended early for the first time. From then on the pause doubles up to CRASH_RECORD_PAUSE_MAX.
 */
#ifndef GATEWAY_CRASH_RECORD_H
#define GATEWAY_CRASH_RECORD_H

#include <stdbool.h>

enum {
	CRASH_RECORD_STEADY = 60,   /* seconds */
	CRASH_RECORD_PAUSE_MAX = 5, /* seconds */
	CRASH_RECORD_SAID = 3,      /* ends in a row of which each is said */
	CRASH_RECORD_SILENCE = 60,  /* seconds between two lines about the others */
};

/* All zero: it has not ended yet. */
struct crash_record {
	unsigned row;    /* ends, none of them after a steady life */
	double said;     /* when it was spoken of last */
	unsigned unsaid; /* ends since */
};

/* Adds an end at NOW after LIVED seconds; returns the seconds to wait. Times are any clock's. */
double crash_record_add(struct crash_record *self, double now, double lived);

/* How many ends are to be spoken of now, 1 when each is; 0: none, it was done just now. */
unsigned crash_record_say(struct crash_record *self, double now);

/* Whether it ends again and again, so that not each end is spoken of. */
bool crash_record_is_loop(const struct crash_record *self);

#endif
