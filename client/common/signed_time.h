/*
 * The time that counts when something expires: the clock's, but never before the latest time at
 * which something was signed that this machine has verified. Who sets the clock back, or lets it
 * run down, revives nothing that had expired by then.
 *
 * A signing time that is more than a day ahead of the time that counts is not believed: one
 * signature that was made with a wrong clock must not let all others expire for ever. So each can
 * put this machine's time forward by a day at most.
 */
#ifndef CLIENT_SIGNED_TIME_H
#define CLIENT_SIGNED_TIME_H

#include <stdbool.h>
#include <time.h>

#include "failure.h"

enum { SIGNED_TIME_AHEAD = 24 * 60 * 60 }; /* seconds */

/* For the whole process: what CACHE remembers counts, if there is anything, and a note says so when
 * the clock is far behind it. False, with FAILURE filled, when it cannot be read. */
bool signed_time_use(const char *cache, struct failure *failure);

/* The time that counts, in seconds since 1970. */
time_t signed_time_now(void);

/* Adds to FAILURE, by which something is not valid yet or any more, what the clock says, since that
 * may be the cause; and, when a signature of much later was seen, that it is. Returns false. */
bool signed_time_blame(struct failure *failure);

/* What was signed at SIGNED_AT was verified just now; 0 stands for an unknown time. */
void signed_time_see(time_t signed_at);

/* Makes CACHE remember the latest one, when that is new. What keeps it from that is a note. */
void signed_time_save(const char *cache);

/* The rule: the latest signing time that is believed, when that was FLOOR so far, the clock says
 * WALL, and something was signed at SIGNED_AT. */
time_t signed_time_later(time_t floor, time_t wall, time_t signed_at);

#endif
