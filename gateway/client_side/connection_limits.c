/*
 * How much a client may ask for. The hard part is who asks for what must be refused: the refusal
 * costs work and a line in the log, so it has a price of its own, which one client pays whatever
 * the number of its connections. Past it the next answer is 429, and the connection is not read
 * until the price is paid: then neither the client's speed nor its patience matters. Others of the
 * same customer, who ask for what they may have, do not notice.
 */
#include "connection_private.h"

#include <assert.h>

#include "base/clock.h"
#include "room.h"

enum { REFUSALS_AHEAD = 10 }; /* seconds' worth that may come at once */

static enum limit
find_place(struct connection *self)
{
	struct services *services = self->services;
	uint32_t has = 1;

	assert(self->address_counted && !self->customer_counted);
	if (self->caller.role == POLICY_ROLE_CUSTOMER) {
		self->customer_counted = quota_connection_open(
		    services->quota, services->worker, self->caller_key, self->caller.connections);
		if (!self->customer_counted)
			return LIMIT_CONNECTIONS;
		has = quota_connection_count(services->quota, self->caller_key);
	}
	return room_for_customer(self, has) ? LIMIT_NONE : LIMIT_ROOM;
}

enum limit
connection_limits_admit(struct connection *self)
{
	struct services *services = self->services;
	enum limit over = find_place(self);

	assert(!self->is_admitted);
	self->is_admitted = over == LIMIT_NONE && self->caller.role != POLICY_ROLE_NONE;
	if (self->is_admitted)
		metrics_subtract(
		    services->metrics, services->worker, METRIC_CONNECTIONS_NOT_ADMITTED, 1);
	return over;
}

/* One more request on this connection. */
static bool
take_request(struct connection *self)
{
	uint32_t limit = self->services->config->limits.requests_per_second;
	double now = clock_seconds();
	double due = self->requests_due > now ? self->requests_due : now;

	if (limit == 0)
		return true;
	due += 1. / limit;
	if (due > now + 1)
		return false;
	self->requests_due = due;
	return true;
}

static struct quota_allowance
refusals(const struct connection *self)
{
	return (struct quota_allowance){.n = self->services->config->limits.refusals_per_second,
	    .seconds = 1,
	    .ahead = REFUSALS_AHEAD};
}

static double
refusals_wait(const struct connection *self)
{
	return quota_rate_wait(
	    self->services->quota, QUOTA_REFUSALS, self->caller_key, refusals(self));
}

enum limit
connection_limits_request(struct connection *self)
{
	struct quota_allowance requests = {
	    .n = self->caller.requests_per_second, .seconds = 1, .ahead = 1};

	assert(self->transaction == NULL);
	if (!take_request(self))
		return LIMIT_CONNECTION_REQUESTS;
	if (!quota_rate_take(self->services->quota, QUOTA_REQUESTS, self->caller_key, requests))
		return LIMIT_CUSTOMER_REQUESTS;
	if (self->was_refused && refusals_wait(self) > 0)
		return LIMIT_REFUSALS;
	return LIMIT_NONE;
}

double
connection_limits_answered(struct connection *self)
{
	assert(self->transaction != NULL);
	self->was_refused = transaction_is_clients_fault(self->transaction);
	if (!self->was_refused)
		return 0;
	quota_rate_charge(self->services->quota, QUOTA_REFUSALS, self->caller_key, refusals(self));
	return transaction_is_too_many(self->transaction) ? refusals_wait(self) : 0;
}
