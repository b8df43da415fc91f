/*
 * Whether this node should get traffic, and every reason why not: what a load balancer's probe and
 * whoever is woken by it want to know.
 */
#ifndef GATEWAY_READINESS_H
#define GATEWAY_READINESS_H

#include <stdbool.h>
#include <time.h>

#include "gateway/node/services.h"

/* Seconds that certificates and revocation lists must still be good for. Who probes every few
 * seconds has left the node by then; before that a renewal can still come. */
enum { READINESS_SPARE = 600 };

/* Why /healthz says 503, as one word; NULL when it says 200. */
const char *readiness_unhealthy(const struct services *services, time_t now);

bool readiness_is_ready(const struct services *services, time_t now);

/* Appends "ready" or "not ready", and a line for each check: its name and what came of it. */
void readiness_print(const struct services *services, time_t now, struct buffer *out);

#endif
