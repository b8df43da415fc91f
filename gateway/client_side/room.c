/*
 * Room on a node that is nearly full. The hard part is to find whoever has most without looking at
 * everybody: a random sample of a worker's connections is looked at (room_places.h). Somebody with
 * a twentieth of them is missed once in 26 times, and then the next time.
 */
#include "room.h"

#include <assert.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "connection_private.h"
#include "room_places.h"
#include "room_rank.h"

enum { ENDED_AT_ONCE = 16 };

static const double grace = 3; /* seconds for a client to go on with what it has begun */
/* Of the fair share: what other workers told of theirs is up to a second old. */
static const double about = 0.95;

/* ---- who has how many ---- */

/* A customer's connections on the node, or an address's. */
static struct quota_key
holder(const struct connection *connection)
{
	return connection->customer_counted ? connection->caller_key : connection->address_key;
}

/* Probes and observers are never in anybody's way. */
static bool
is_exempt(const struct connection *connection)
{
	return connection->caller.role != POLICY_ROLE_NONE && !connection->customer_counted;
}

static uint32_t
count_of(const struct connection *connection)
{
	uint32_t n = quota_connection_count(connection->services->quota, holder(connection));
	return n > 0 ? n : 1;
}

/* Tells the other workers what this one has. */
static void
publish_share(struct services *services)
{
	struct room_places *self = services->places;
	size_t count = room_places_count(self);
	size_t n = count < ROOM_PLACES_SAMPLE ? count : ROOM_PLACES_SAMPLE;
	double connections = 0, holders = 0;

	for (size_t i = 0; i < n; i++) {
		const struct connection *one = room_places_sample(self, i, 0, count);
		if (!one->customer_counted)
			continue;
		connections++;
		holders += 1. / count_of(one);
	}
	double scale = n > 0 ? (double)count / (double)n : 0;
	quota_share_set(
	    services->quota, services->worker, (uint32_t)(connections * scale), holders * scale);
}

/* ---- who goes ---- */

static bool
has_unread_bytes(const struct connection *connection)
{
	char byte;
	return recv(connection->fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static enum room_kind
kind_of(const struct connection *connection)
{
	bool fresh = clock_seconds() < connection->state_since + grace;

	switch (connection->state) {
	case CONN_CLOSING:
	case CONN_LINGER:
		return ROOM_LEAVING;
	case CONN_PROXY_HEADER:
	case CONN_HANDSHAKE:
	case CONN_READ_HEAD:
		return fresh ? ROOM_FRESH : ROOM_RESTING;
	case CONN_IDLE:
		return has_unread_bytes(connection) ? ROOM_BUSY : ROOM_RESTING;
	case CONN_READ_BODY:
	case CONN_ANSWER:
		return ROOM_BUSY;
	case CONN_CLOSED:
		break;
	}
	return ROOM_STAYS;
}

static struct room_candidate
candidate(const struct connection *connection)
{
	if (is_exempt(connection) && connection->state < CONN_CLOSING)
		return (struct room_candidate){.kind = ROOM_STAYS};
	return (struct room_candidate){.kind = kind_of(connection),
	    .is_known = connection->customer_counted,
	    .has = count_of(connection),
	    .since = connection->state_since};
}

/* Among the places FROM to END; never BUT, which may be NULL. */
static struct connection *
find(struct room_places *self, size_t from, size_t end, const struct room_rule *rule,
    const struct connection *but)
{
	struct connection *best = NULL;
	struct room_candidate best_rank = {.kind = ROOM_STAYS};

	for (size_t i = 0; i < ROOM_PLACES_SAMPLE && i < end - from; i++) {
		struct connection *one = room_places_sample(self, i, from, end);
		struct room_candidate rank = candidate(one);
		if (one == but || !room_rank_may_go(&rank, rule) ||
		    (best != NULL && !room_rank_before(&rank, &best_rank)))
			continue;
		best = one;
		best_rank = rank;
	}
	return best;
}

static bool
is_within(const struct services *services, uint32_t most)
{
	return metrics_total(services->metrics, METRIC_CONNECTIONS_OPEN) <= most;
}

/* The connections that were let in. Summed while other workers count, so that it may be one or two
 * off. */
static uint32_t
admitted(const struct services *services)
{
	uint64_t all = metrics_total(services->metrics, METRIC_CONNECTIONS_OPEN);
	uint64_t others = metrics_total(services->metrics, METRIC_CONNECTIONS_NOT_ADMITTED);
	return all > others ? (uint32_t)(all - others) : 0;
}

/* Ends connections until no more than MOST are open on the node. */
static bool
make(struct services *services, uint32_t most, const struct room_rule *rule,
    const struct connection *but)
{
	struct room_places *self = services->places;

	for (int i = 0; i < ENDED_AT_ONCE && !is_within(services, most); i++) {
		struct connection *one = find(self, 0, room_places_resting(self), rule, but);
		if (one == NULL && rule->newcomer != ROOM_FOR_STRANGER)
			one = find(
			    self, room_places_resting(self), room_places_count(self), rule, but);
		if (one == NULL)
			return false;
		connection_crowd_out(one);
	}
	return is_within(services, most);
}

static double
fair_share(struct services *services)
{
	publish_share(services);
	return quota_share_fair(
	    services->quota, metrics_total(services->metrics, METRIC_CONNECTIONS_OPEN));
}

/* How many may be open without the reserve. */
static uint32_t
unreserved(const struct services *services)
{
	const struct config_limits *limits = &services->config->limits;

	assert(limits->reserved_connections <= limits->connections);
	return limits->connections - limits->reserved_connections;
}

bool
room_restore(struct services *services, uint32_t at_least)
{
	/* Told also when there is room: it is the others that may lack it. */
	struct room_rule rule = {.fair = about * fair_share(services),
	    .at_least = at_least,
	    .newcomer = ROOM_FOR_RESERVE};
	return make(services, unreserved(services), &rule, NULL);
}

bool
room_for_customer(struct connection *self, uint32_t has)
{
	struct services *services = self->services;
	uint32_t most = unreserved(services);

	assert(self->place != 0);
	if (is_within(services, most))
		return true;
	double fair = fair_share(services);
	/* Who has none yet costs nobody else the only one; who has some goes before who has fewer.
	 */
	struct room_rule rule = {.fair = about * fair, .at_least = has > 1 ? has : 2};
	/* Strangers, and who is on its way out, do not hold back who has few: a place was taken for
	 * this one before its handshake, and they have to find theirs after it. So none of them
	 * goes here either, an honest one perhaps. And who has too many may be another worker's,
	 * which sees to it within a second. */
	if (has < fair &&
	    admitted(services) < most + services->config->limits.reserved_connections / 2) {
		rule.newcomer = ROOM_FOR_RESERVE;
		(void)make(services, most, &rule, self);
		return true;
	}
	rule.newcomer = has <= fair ? ROOM_FOR_FEW : ROOM_FOR_MANY;
	return make(services, most, &rule, self) || has <= 1;
}

bool
room_for_one(struct services *services)
{
	uint32_t most = services->config->limits.connections;

	if (is_within(services, most))
		return true;
	/* A stranger, who may come any number of times, never costs a running transfer. */
	struct room_rule rule = {
	    .fair = about * fair_share(services), .at_least = 1, .newcomer = ROOM_FOR_STRANGER};
	return make(services, most, &rule, NULL);
}
