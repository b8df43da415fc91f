/*
 * A call that may be left in its middle and gone on with later, on a stack of its own: libssl asks
 * for a signature in the midst of a handshake, and the worker has other things to do until it
 * comes.
 *
 * Stacks are used again; only who waits keeps one. About 16 KiB of a stack are ever touched.
 */
#ifndef GATEWAY_TLS_PAUSE_H
#define GATEWAY_TLS_PAUSE_H

#include <stdbool.h>

struct tls_pause;

typedef int tls_pause_fn(void *arg);
typedef void tls_pause_wake_fn(void *arg);

/* Prepares the call FN(ARG). WAKE(ARG) is called when it has paused and may go on. */
struct tls_pause *tls_pause_new(tls_pause_fn *fn, tls_pause_wake_fn *wake, void *arg);

/* Calls, or goes on when what was waited for is there. True, with *RESULT and SELF gone, when FN
 * has returned. */
bool tls_pause_run(struct tls_pause *self, int *result);
/* Has FN end, by the failure of what it waits for; NULL is none. SELF is gone then. */
void tls_pause_cancel(struct tls_pause *self);
/* What it paused for is there: it may be run. */
void tls_pause_wake(struct tls_pause *self);

/* ---- inside FN ---- */

/* The call that is being made; NULL: none. */
struct tls_pause *tls_pause_current(void);
/* Leaves SELF, the current one, until it is woken and run. False: it is cancelled. */
bool tls_pause_wait(struct tls_pause *self);

#endif
