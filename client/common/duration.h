/* Durations as users write them: a number with s, m, h or d. */
#ifndef CLIENT_DURATION_H
#define CLIENT_DURATION_H

#include <stdbool.h>
#include <stdint.h>

enum { DURATION_MAX_DAYS = 3650 };

/* Reads TEXT as SECONDS, at most DURATION_MAX_DAYS; false, with SECONDS left alone, for anything
 * else. */
bool duration_read(const char *text, uint64_t *seconds);

#endif
