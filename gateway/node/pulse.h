/*
 * A worker's pulse: what the supervisor may know of it when it can no longer be asked.
 *
 * One page of shared memory, mapped before the worker is forked, which only the worker and the
 * supervisor have. The worker counts the turns of its loop there, and writes down which request it
 * works on. The worker may be compromised: the supervisor takes nothing of it for more than a
 * number that changes and a text of strangers.
 */
#ifndef GATEWAY_PULSE_H
#define GATEWAY_PULSE_H

#include <stdint.h>

enum { PULSE_REQUEST_LEN = 32 };

struct pulse;

/* NULL, with errno set, when there is no memory. */
struct pulse *pulse_new(void);
/* Gives up this process's mapping; the others keep theirs. */
void pulse_free(struct pulse *self);

/* For the worker, at least once a second. */
void pulse_beat(struct pulse *self);
/* A number that changes with each beat. */
uint64_t pulse_beats(const struct pulse *self);

/* The request with the id REQUEST, PULSE_REQUEST_LEN characters, is worked on from now on. */
void pulse_work_on(struct pulse *self, const char *request);
/* The request that was worked on last; what an id cannot have is "?" in it. "": none. */
void pulse_request(const struct pulse *self, char request[PULSE_REQUEST_LEN + 1]);
/* Forgets the request: another process will be this worker. */
void pulse_forget(struct pulse *self);

#endif
