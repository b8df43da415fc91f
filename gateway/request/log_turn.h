/*
 * Whose turn it is to write to the access log, which all workers of the node share.
 *
 * What one write() did not take in is the end of a line; nobody else may write until it is there.
 * A word in shared memory, mapped before the workers are forked, says who has begun one. No one
 * waits for a turn: who does not get it tries again later.
 */
#ifndef GATEWAY_LOG_TURN_H
#define GATEWAY_LOG_TURN_H

#include <stdbool.h>

struct log_turn;

/* NULL, with errno set, when there is no memory. */
struct log_turn *log_turn_new(void);
void log_turn_free(struct log_turn *self);

/* True when it is the turn of WORKER, perhaps since before. */
bool log_turn_take(struct log_turn *self, unsigned worker);
/* Ends the turn of WORKER if it has it; also for the supervisor, when its process has ended. */
void log_turn_give(struct log_turn *self, unsigned worker);

/* Whether the log ends in the middle of a line; for who has the turn. One that finds it so in the
 * beginning follows a writer that is gone, and has to end that line. */
bool log_turn_is_torn(const struct log_turn *self);
void log_turn_set_torn(struct log_turn *self, bool torn);

#endif
