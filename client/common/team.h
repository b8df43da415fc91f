/*
 * The same work for many items, on several processors at once: reading files to their end, which
 * one processor does slower than a disk.
 */
#ifndef CLIENT_TEAM_H
#define CLIENT_TEAM_H

#include <stdbool.h>
#include <stddef.h>

#include "failure.h"

/* False, with FAILURE filled, ends the work. It is called on several threads at once, for different
 * items: what it changes must be the item's own, or locked. */
typedef bool team_work(void *arg, size_t item, struct failure *failure);

/* Calls WORK for each of COUNT items, about in their order, on as many threads as there are
 * processors for this process, but at most four; returns when all have ended. False, with FAILURE
 * filled by one of the calls, when one of them failed: then some items may not have been begun. */
bool team_do(size_t count, team_work *work, void *arg, struct failure *failure);

#endif
