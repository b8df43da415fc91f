/*
 * What a transaction has of the store: one exchange, begun and ended here. The hard part is what it
 * holds meanwhile, which goes back however it ends: one of the customer's transfers, and a snapshot
 * of its day.
 */
#include "transaction_private.h"

#include <assert.h>
#include <stdio.h>

void
transaction_start_exchange(struct transaction *self, const char *path, size_t path_len)
{
	struct exchange_order order = {
	    .request = &self->request,
	    .path = path,
	    .path_len = path_len,
	    .customer = self->caller.customer,
	    .request_id = self->record.request_id,
	    .body = self->snapshot.text,
	    .body_len = self->snapshot.len,
	};

	assert(self->phase == TX_READ_BODY && self->exchange == NULL);
	assert(path_len > 0 && path[0] == '/');
	if (!transaction_take_transfer(self)) {
		transaction_return_snapshot(self);
		transaction_send_too_many(
		    self, LIMIT_TRANSFERS, limit_retry_after(LIMIT_TRANSFERS));
		return;
	}
	self->phase = TX_AWAIT_STORE;
	self->exchange = exchange_start(self->services, &order, self->store_events, self);
	if (self->exchange == NULL) {
		transaction_return_transfer(self);
		transaction_return_snapshot(self);
		self->retry_after = TRANSACTION_STORE_RETRY_AFTER;
		transaction_send_problem(
		    self, PROBLEM_STORE_UNAVAILABLE, "No store can be reached");
	}
}

void
transaction_end_exchange(struct transaction *self)
{
	if (self->exchange == NULL)
		return;
	assert(self->phase != TX_READ_BODY);
	self->may_be_stored = exchange_may_be_done(self->exchange);
	(void)snprintf(
	    self->store_name, sizeof self->store_name, "%s", exchange_store_name(self->exchange));
	self->record.store = self->store_name[0] != '\0' ? self->store_name : NULL;
	self->record.store_ms = exchange_milliseconds(self->exchange);
	exchange_free(self->exchange);
	self->exchange = NULL;
	transaction_return_transfer(self);
}
