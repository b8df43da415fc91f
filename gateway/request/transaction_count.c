/* What the metrics say of a request. The hard part is a transfer that lasts for minutes: its bytes
 * are counted on the way, so that a rate is that of now. Each is a few additions in memory of this
 * worker's own; names and numbers are made when somebody asks. */
#include "transaction_private.h"

#include "gateway/node/customer_rows.h"
#include "gateway/node/last_refusals.h"
#include "gateway/node/metrics_histogram.h"
#include "metrics_labels.h"

/* A small answer is counted once, when it is over. */
enum { COUNTED_AT_ONCE = 64 * 1024 };

static const double milliseconds = 1000;

static void
count_customer(const struct transaction *self, unsigned reason)
{
	struct metrics *metrics = self->services->metrics;
	unsigned worker = self->services->worker, row = self->peer->customer_row;

	if (self->caller.role != POLICY_ROLE_CUSTOMER)
		return;
	metrics_count_customer(metrics, worker, row, CUSTOMER_REQUESTS, 1);
	if (reason != METRICS_LABELS_NO_REASON)
		metrics_count_customer(metrics, worker, row, CUSTOMER_REFUSALS, 1);
}

static void
count_bytes(struct transaction *self, uint64_t in, uint64_t out)
{
	struct metrics *metrics = self->services->metrics;
	unsigned worker = self->services->worker, row = self->peer->customer_row;

	self->counted_in += in;
	self->counted_out += out;
	services_count(self->services, METRIC_BYTES_SENT, out);
	services_count(self->services, METRIC_BYTES_RECEIVED, in);
	if (self->caller.role != POLICY_ROLE_CUSTOMER)
		return;
	metrics_count_customer(metrics, worker, row, CUSTOMER_BYTES_SENT, out);
	metrics_count_customer(metrics, worker, row, CUSTOMER_BYTES_RECEIVED, in);
}

void
transaction_count_bytes(struct transaction *self)
{
	uint64_t in = self->record.bytes_in - self->counted_in;
	uint64_t out = self->record.bytes_out - self->counted_out;

	if (in + out >= COUNTED_AT_ONCE)
		count_bytes(self, in, out);
}

static void
keep_refusal(const struct transaction *self)
{
	const struct access_record *record = &self->record;
	const struct last_refusal_texts texts = {.operation = record->operation,
	    .reason = record->reason,
	    .customer = record->customer,
	    .client = self->peer->address};

	last_refusals_add(metrics_refusals(self->services->metrics), self->services->worker,
	    (uint64_t)transaction_now(self), record->status, &texts);
}

void
transaction_count(struct transaction *self)
{
	struct metrics *metrics = self->services->metrics;
	unsigned worker = self->services->worker;
	const struct access_record *record = &self->record;
	unsigned reason = metrics_labels_reason(record->reason);

	count_bytes(
	    self, record->bytes_in - self->counted_in, record->bytes_out - self->counted_out);
	metrics_cell_add(metrics, worker, METRICS_FAMILY_RESPONSES,
	    metrics_labels_response(self->operation, record->status, reason), 1);
	metrics_histogram_observe(metrics, worker, METRICS_FAMILY_REQUEST_SECONDS,
	    (unsigned)self->operation, record->duration_ms / milliseconds);
	if (self->first_byte != 0)
		metrics_histogram_observe(metrics, worker, METRICS_FAMILY_FIRST_BYTE_SECONDS,
		    (unsigned)self->operation, self->first_byte - self->started);
	count_customer(self, reason);
	if (record->reason != NULL)
		keep_refusal(self);
}
