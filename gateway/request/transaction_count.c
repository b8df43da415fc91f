/* What the metrics say of a request that is over. Each is a few additions in memory of this
 * worker's own; names and numbers are made when somebody asks. */
#include "transaction_private.h"

#include "gateway/node/customer_rows.h"
#include "gateway/node/last_refusals.h"
#include "gateway/node/metrics_histogram.h"
#include "metrics_labels.h"

static const double milliseconds = 1000;

static void
count_customer(const struct transaction *self, unsigned reason)
{
	struct metrics *metrics = self->services->metrics;
	unsigned worker = self->services->worker, row = self->peer->customer_row;
	const struct access_record *record = &self->record;

	if (self->caller.role != POLICY_ROLE_CUSTOMER)
		return;
	metrics_count_customer(metrics, worker, row, CUSTOMER_REQUESTS, 1);
	if (reason != METRICS_LABELS_NO_REASON)
		metrics_count_customer(metrics, worker, row, CUSTOMER_REFUSALS, 1);
	metrics_count_customer(metrics, worker, row, CUSTOMER_BYTES_SENT, record->bytes_out);
	metrics_count_customer(metrics, worker, row, CUSTOMER_BYTES_RECEIVED, record->bytes_in);
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
transaction_count(const struct transaction *self)
{
	struct metrics *metrics = self->services->metrics;
	unsigned worker = self->services->worker;
	const struct access_record *record = &self->record;
	unsigned reason = metrics_labels_reason(record->reason);

	services_count(self->services, METRIC_BYTES_SENT, record->bytes_out);
	services_count(self->services, METRIC_BYTES_RECEIVED, record->bytes_in);
	metrics_cell_add(metrics, worker, METRICS_FAMILY_RESPONSES,
	    metrics_labels_response(self->operation, record->status, reason), 1);
	metrics_histogram_observe(metrics, worker, METRICS_FAMILY_REQUEST_SECONDS,
	    (unsigned)self->operation, record->duration_ms / milliseconds);
	if (self->first_byte != 0)
		metrics_histogram_observe(metrics, worker, METRICS_FAMILY_FIRST_BYTE_SECONDS,
		    (unsigned)self->operation, self->first_byte - record->started);
	count_customer(self, reason);
	if (record->reason != NULL)
		keep_refusal(self);
}
