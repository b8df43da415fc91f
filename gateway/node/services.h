/*
 * What a worker offers to its connections: the shared things, each owned by the worker.
 *
 * `config`, `policy`, `tls` and `catalogues` belong to the current generation and change when the
 * worker adopts the next; take them anew for each decision and never keep the pointers.
 */
#ifndef GATEWAY_SERVICES_H
#define GATEWAY_SERVICES_H

#include <stdbool.h>
#include <stdint.h>

#include "catalogue/catalogue_image.h"
#include "gateway/config/config.h"
#include "gateway/tls/tls_stream.h"
#include "integrity_marks.h"
#include "metrics.h"
#include "policy/policy.h"
#include "quota.h"

struct access_log;
struct ev_loop;
struct handshake_failures;
struct history;
struct pulse;
struct room_places;
struct turns;
struct upstream;

/* What became of the connections when the generation in force was adopted. */
struct review {
	uint32_t kept, cut;
};

struct services {
	struct ev_loop *loop;
	const struct config *config;
	unsigned worker; /* from 0 */
	struct metrics *metrics;
	const struct history *history;
	struct quota *quota;
	struct integrity_marks *marks;
	struct pulse *pulse; /* this worker's */
	struct tls_wire_buffers *wire;
	char *piece; /* TLS_PIECE_MAX + 1 bytes of working space, free between events */
	struct access_log *access_log;
	struct handshake_failures *failures;
	struct upstream *upstream;  /* of the store in force; an exchange keeps its own */
	struct room_places *places; /* of the client connections */
	struct turns *turns;        /* theirs, too */

	uint64_t generation;
	struct review review; /* connections count themselves */
	struct policy *policy;
	struct tls_context *tls;
	struct catalogue_image *catalogues; /* NULL: none are checked */

	bool announcing; /* healthz says draining; answers close, but who comes is served */
	bool draining;   /* answers close their connection, and so does rest */
	bool retiring;   /* answers do, for another process serves; who rests may ask once more */
};

/* Whether an answer closes its connection: a client that asked on, at the moment when what rests is
 * ended, would have no answer. */
static inline bool
services_is_leaving(const struct services *self)
{
	return self->announcing || self->draining || self->retiring;
}

static inline void
services_count(struct services *self, enum metric metric, uint64_t n)
{
	metrics_add(self->metrics, self->worker, metric, n);
}

#endif
