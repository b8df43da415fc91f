/*
 * How fast a client gives or takes what it is waited for: timeouts.min_rate, averaged over a
 * window, and the longest pause. Only the time counts in which the client is what everybody waits
 * for; what the store or a customer's rate costs is not its fault. Pure: it is told the time, in
 * seconds; where the clock is set back, less of it counts.
 */
#ifndef GATEWAY_PACE_H
#define GATEWAY_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pace_limits {
	uint64_t rate; /* bytes in a second; 0: any */
	double window; /* seconds of waiting over which the rate is averaged */
	double pause;  /* seconds without any progress; 0: any */
};

enum pace_verdict { PACE_GOOD, PACE_STALLED, PACE_TOO_SLOW };

/* All zero: nobody is waited for, and nothing has moved. */
struct pace {
	bool waiting;
	double since;       /* when the waiting began, or the window if that was later */
	double waited;      /* seconds before `since`, in this window */
	double moved_at;    /* when it last made progress */
	uint64_t moved;     /* bytes in this window */
	uint64_t ahead;     /* that were on their way to the client when the window began */
	uint64_t under_way; /* and when it was last looked at */
};

/* From NOW on the client is waited for; nothing happens when it was already. UNDER_WAY is how many
 * bytes it has been given and has not taken; 0 for what comes from it. */
void pace_wait(struct pace *self, double now, uint64_t under_way);
/* From NOW on it is not waited for. */
void pace_rest(struct pace *self, double now);

/* N bytes came from it, or were given to it. */
void pace_move(struct pace *self, uint64_t n);
/* It has just done something, whatever the count says. */
void pace_progress(struct pace *self, double now);

/* Whether it is to be waited for any longer. PACE_GOOD as long as it is not waited for. A window in
 * which it was fast enough is followed by the next. */
enum pace_verdict pace_judge(
    struct pace *self, const struct pace_limits *limits, double now, uint64_t under_way);

#endif
