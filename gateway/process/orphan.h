/*
 * A worker outlives its supervisor by seconds at most.
 *
 * It is told by the end of its channel, upon which it ends itself in good order. What is here is
 * for one whose loop does not turn.
 */
#ifndef GATEWAY_ORPHAN_H
#define GATEWAY_ORPHAN_H

#include <stdbool.h>

enum { ORPHAN_SECONDS = 5 };

/* Ends this process ORPHAN_SECONDS after its parent has ended, unless it ends before. Takes SIGUSR2
 * and SIGALRM; needs getppid and setitimer from then on. To be called when the process is the user
 * that it stays, since a change of users undoes it (prctl(2), PR_SET_PDEATHSIG). False with errno
 * set. */
bool orphan_watch(void);

#endif
