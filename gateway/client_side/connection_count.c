/* What the metrics say of a connection: additions in memory of this worker's own. */
#include "connection_private.h"

#include <assert.h>

#include "gateway/node/handshake_cell.h"
#include "gateway/node/handshake_refusal.h"
#include "gateway/node/last_refusals.h"

static void
add(const struct connection *self, enum metrics_family family, unsigned cell)
{
	metrics_cell_add(self->services->metrics, self->services->worker, family, cell, 1);
}

void
connection_count_handshake(const struct connection *self)
{
	bool resumed = tls_stream_is_resumed(self->tls);

	services_count(self->services, resumed ? METRIC_HANDSHAKES_RESUMED : METRIC_HANDSHAKES, 1);
	add(self, METRICS_FAMILY_HANDSHAKES,
	    handshake_cell_of(tls_stream_version(self->tls), tls_stream_group(self->tls), resumed));
}

void
connection_count_refusal(const struct connection *self, const char *reason)
{
	const struct services *services = self->services;
	const struct last_refusal_texts texts = {
	    .operation = "handshake", .reason = reason, .client = self->address_text};

	add(self, METRICS_FAMILY_HANDSHAKE_REFUSALS, handshake_refusal_of(reason));
	last_refusals_add(metrics_refusals(services->metrics), services->worker,
	    (uint64_t)ev_now(services->loop), 0, &texts);
}

void
connection_count_close(const struct connection *self, enum close_reason reason)
{
	add(self, METRICS_FAMILY_CLOSES, reason);
	if (reason == CLOSE_HANDSHAKE_ONLY)
		services_count(self->services, METRIC_CONNECTIONS_HANDSHAKE_ONLY, 1);
}

bool
connection_count_is_check(const struct connection *self, enum close_reason reason)
{
	bool clients_end = reason == CLOSE_PEER_DONE || reason == CLOSE_PEER_RESET ||
	                   reason == CLOSE_PEER_TRUNCATED;

	return clients_end && self->state > CONN_HANDSHAKE && !self->has_asked &&
	       !self->one_too_many && self->closing_because != CLOSE_HANDSHAKE_REFUSED;
}

static_assert((int)CLOSE_REASON_COUNT <= (int)METRICS_CLOSES, "each reason has its counter");
static_assert((int)CONN_CLOSED <= (int)METRICS_STATES, "each state has its gauge");

void
connection_count_name(struct metrics *metrics)
{
#define CLOSE_LABEL(name, level, text) text,
	static const char *const closes[] = {CLOSE_TABLE(CLOSE_LABEL) NULL};
#undef CLOSE_LABEL
	static const char *const states[] = {
	    [CONN_PROXY_HEADER] = "proxy_header",
	    [CONN_HANDSHAKE] = "handshake",
	    [CONN_IDLE] = "idle",
	    [CONN_READ_HEAD] = "read_head",
	    [CONN_READ_BODY] = "read_body",
	    [CONN_ANSWER] = "answer",
	    [CONN_CLOSING] = "closing",
	    [CONN_LINGER] = "linger",
	    [CONN_CLOSED] = NULL,
	};

	metrics_name_cells(metrics, METRICS_FAMILY_CLOSES, closes);
	metrics_name_cells(metrics, METRICS_FAMILY_STATES, states);
}

void
connection_count_state(const struct connection *self, struct connection_states *states)
{
	assert(self->state < CONN_CLOSED);
	states->open[self->state]++;
}

void
connection_count_states(
    struct metrics *metrics, unsigned worker, const struct connection_states *states)
{
	for (unsigned i = 0; i < METRICS_STATES; i++)
		metrics_cell_set(metrics, worker, METRICS_FAMILY_STATES, i, states->open[i]);
}
