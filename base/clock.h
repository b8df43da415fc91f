/*
 * The time that only goes on, whatever is done to the machine's clock (CLOCK_MONOTONIC): for how
 * long something took, and how long it may take. What time of day it is tells time(2), or
 * ev_now(3).
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* All count from the same moment in the past. */
uint64_t clock_ns(void);
int64_t clock_ms(void);
double clock_seconds(void);

#endif
