/*
 * What a request is one too many for, and how many of a customer may be at the store at once: a
 * transfer that the customer's rate or its client slows down holds a connection of the store, for
 * as long as the client likes. Where the policy gives the customer a number of connections, that is
 * the bound.
 */
#include "transaction_private.h"

#include <assert.h>

void
transaction_refuse_too_many(struct transaction *self, enum limit limit, unsigned retry_after)
{
	assert(limit != LIMIT_NONE);
	services_count(self->services, limit_metric(limit), 1);
	self->retry_after = retry_after;
	transaction_refuse_because(self, PROBLEM_TOO_MANY, limit_detail(limit));
}

void
transaction_send_too_many(struct transaction *self, enum limit limit, unsigned retry_after)
{
	assert(limit != LIMIT_NONE && self->exchange == NULL);
	services_count(self->services, limit_metric(limit), 1);
	self->retry_after = retry_after;
	transaction_send_problem(self, PROBLEM_TOO_MANY, limit_detail(limit));
}

struct quota_key
transaction_customer_key(const struct transaction *self)
{
	return quota_text_key(self->services->quota, self->caller.customer);
}

static struct quota_key
transfers_key(const struct transaction *self)
{
	return quota_transfers_key(transaction_customer_key(self));
}

bool
transaction_take_transfer(struct transaction *self)
{
	struct services *services = self->services;
	uint32_t limit = services->config->limits.transfers_per_customer;

	assert(!self->transfer_counted);
	if (limit == 0 || self->caller.connections != 0)
		return true;
	self->transfer_counted =
	    quota_connection_open(services->quota, services->worker, transfers_key(self), limit);
	return self->transfer_counted;
}

void
transaction_return_transfer(struct transaction *self)
{
	if (self->transfer_counted)
		quota_connection_close(
		    self->services->quota, self->services->worker, transfers_key(self));
	self->transfer_counted = false;
}

void
transaction_return_snapshot(struct transaction *self)
{
	if (self->snapshot_counted && !self->may_be_stored)
		quota_snapshot_return(self->services->quota, transaction_customer_key(self),
		    self->caller.snapshots_per_day, self->snapshot_counted_at);
	self->snapshot_counted = false;
}

bool
transaction_is_clients_fault(const struct transaction *self)
{
	return self->record.reason != NULL && self->record.status >= 400 &&
	       self->record.status < 500;
}

bool
transaction_is_too_many(const struct transaction *self)
{
	return self->record.status == problem_status(PROBLEM_TOO_MANY);
}
