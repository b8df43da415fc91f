/*
 * How a worker leaves: it drains, since the node is to stop, or retires, since another process
 * serves.
 */
#ifndef GATEWAY_WORKER_DRAIN_H
#define GATEWAY_WORKER_DRAIN_H

#include <ev.h>

#include "gateway/client_side/listener.h"
#include "gateway/node/services.h"

struct worker_drain {
	struct services *services;
	struct listener *listener;
	ev_timer timer;
};

void worker_drain_init(
    struct worker_drain *self, struct services *services, struct listener *listener);

/* Readiness says `draining` for drain.announce, then no connection is taken any more; the loop ends
 * with the last one, after drain.timeout at the latest. A worker that retires hurries. */
void worker_drain_announce(struct worker_drain *self);

/* Takes no more connections and answers those it has, each once more; the loop ends with the last,
 * a few seconds after drain.timeout at the latest. */
void worker_drain_retire(struct worker_drain *self);

/* Closes every connection at once. */
void worker_drain_close(struct worker_drain *self);

#endif
