/*
 * An upload: its head, its body, the store's word for it. The hard part is the count of a day's
 * snapshots: one is taken before the body comes, and given back when it is certain that nothing is
 * stored. A client that leaves while the store has its snapshot has filed it.
 */
#include "transaction_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
	DAY = 86400, /* seconds */
	HOUR = 3600,
	FAILURES_LEAST = 10, /* an hour, however few snapshots a customer may file */
};

/* JSON is UTF-8 (RFC 8259, 8.1), so a charset may say just that. */
static bool
is_json(struct http_span type)
{
	return http_span_is_nocase(type, "application/json") ||
	       http_span_is_nocase(type, "application/json;charset=utf-8") ||
	       http_span_is_nocase(type, "application/json; charset=utf-8");
}

static unsigned
seconds_to_midnight(time_t when)
{
	return (unsigned)(DAY - when % DAY);
}

/* How many snapshots of this customer may be invalid. To find that one is costs more than most
 * requests, so who may file few may not try many. */
static struct quota_allowance
failures(const struct transaction *self)
{
	uint32_t most = self->services->config->limits.failed_snapshots_per_hour;
	uint32_t filed = self->caller.snapshots_per_day;

	if (filed != 0 && filed < FAILURES_LEAST)
		filed = FAILURES_LEAST;
	if (filed != 0 && filed < most)
		most = filed;
	return (struct quota_allowance){.n = most, .seconds = HOUR, .ahead = HOUR};
}

static double
failures_wait(const struct transaction *self)
{
	return quota_rate_wait(self->services->quota, QUOTA_FAILED_SNAPSHOTS,
	    transaction_customer_key(self), failures(self));
}

void
transaction_upload_begin(struct transaction *self)
{
	const struct config *config = self->services->config;
	const struct policy_caller *caller = &self->caller;
	struct http_span name = operation_snapshot_name(self->request.path);

	assert(self->operation == OPERATION_SNAPSHOT && !self->snapshot_counted);
	if (!self->request.has_content_length) {
		transaction_refuse_because(
		    self, PROBLEM_LENGTH_REQUIRED, "An upload needs a Content-Length");
		return;
	}
	if (!is_json(self->request.content_type) || self->request.has_content_encoding) {
		transaction_refuse_because(self, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
		    "A snapshot's Content-Type is application/json, without Content-Encoding");
		return;
	}
	if (self->request.content_length > config->snapshot_max_bytes) {
		transaction_refuse(
		    self, (struct refusal){PROBLEM_SNAPSHOT_TOO_LARGE,
		              "The snapshot is larger than this server takes", true});
		return;
	}
	if (self->request.content_digest.bytes != NULL &&
	    !content_digest_parse(self->request.content_digest, &self->content_digest)) {
		transaction_refuse_because(self, PROBLEM_MALFORMED_REQUEST,
		    "Content-Digest is not a dictionary of byte sequences (RFC 9530)");
		return;
	}
	double wait = failures_wait(self);
	if (wait > 0) {
		transaction_refuse_too_many(self, LIMIT_FAILED_SNAPSHOTS, (unsigned)wait + 1);
		return;
	}
	if (!quota_snapshot_take(self->services->quota, transaction_customer_key(self),
	        caller->snapshots_per_day, transaction_now(self))) {
		transaction_refuse_too_many(
		    self, LIMIT_SNAPSHOTS, seconds_to_midnight(transaction_now(self)));
		return;
	}
	self->snapshot_counted = true;
	self->snapshot_counted_at = transaction_now(self);
	int n = snprintf(self->stored_path, sizeof self->stored_path, "/snapshots/%s/%.*s/",
	    caller->customer, (int)name.len, name.bytes);
	assert(n > 0 && (size_t)n < sizeof self->stored_path);
	self->body_left = self->request.content_length;
	self->continue_due = self->request.expects_continue;
	self->phase = TX_READ_BODY;
	if (self->body_left == 0)
		transaction_upload_store(self);
}

/* Checks the whole upload, whose canonical text is then in self->snapshot. */
static bool
is_valid(struct transaction *self, char defect[SNAPSHOT_DEFECT_MAX])
{
	const struct config *config = self->services->config;
	struct snapshot_limits limits = {
	    config->snapshot_max_bytes, config->snapshot_max_components};
	const char *bytes = buffer_bytes(&self->body);
	size_t len = buffer_size(&self->body);
	assert(len <= config->snapshot_max_bytes);
	const char *mismatch = content_digest_mismatch(&self->content_digest, bytes, len);

	if (mismatch == NULL)
		return snapshot_canonicalise(bytes, len, &limits, &self->snapshot, defect) == 0;
	(void)snprintf(defect, SNAPSHOT_DEFECT_MAX,
	    "The content is not what its Content-Digest says (%s)", mismatch);
	return false;
}

/* Checks it, unless too many were not valid. False: that, or an invalid one, is answered. */
static bool
check(struct transaction *self)
{
	struct quota *quota = self->services->quota;
	char defect[SNAPSHOT_DEFECT_MAX];

	/* Taken before, so that uploads that come at once share what is left. */
	if (!quota_rate_take(
	        quota, QUOTA_FAILED_SNAPSHOTS, transaction_customer_key(self), failures(self))) {
		transaction_return_snapshot(self);
		transaction_send_too_many(
		    self, LIMIT_FAILED_SNAPSHOTS, (unsigned)failures_wait(self) + 1);
		return false;
	}
	if (!is_valid(self, defect)) {
		transaction_return_snapshot(self);
		transaction_send_problem(self, PROBLEM_SNAPSHOT_INVALID, defect);
		return false;
	}
	quota_rate_return(
	    quota, QUOTA_FAILED_SNAPSHOTS, transaction_customer_key(self), failures(self));
	return true;
}

void
transaction_upload_store(struct transaction *self)
{
	assert(self->phase == TX_READ_BODY && self->body_left == 0);
	bool valid = check(self);

	buffer_fini(&self->body);
	if (!valid)
		return;
	assert(self->snapshot.text != NULL && self->snapshot.len > 0);
	size_t used = strlen(self->stored_path);
	int n = snprintf(self->stored_path + used, sizeof self->stored_path - used, "%s.json",
	    self->snapshot.sha256);
	assert(n > 0 && (size_t)n < sizeof self->stored_path - used);
	transaction_start_exchange(self, self->stored_path, strlen(self->stored_path));
}

void
transaction_upload_answer(struct transaction *self, unsigned status)
{
	char name[160];
	struct reply reply = {0};

	transaction_end_exchange(self);
	if (status != 200 && status != 201 && status != 204) {
		transaction_return_snapshot(self);
		transaction_send_problem(
		    self, PROBLEM_STORE_BAD_RESPONSE, "The store did not confirm the snapshot");
		return;
	}
	const char *slash = strrchr(self->target, '/');
	assert(slash != NULL);
	(void)snprintf(name, sizeof name, "%s", slash + 1);
	services_count(self->services, METRIC_SNAPSHOTS_STORED, 1);
	reply_receipt(&reply, self->caller.customer, name, &self->snapshot, self->stored_path,
	    self->record.request_id);
	transaction_send_reply(self, &reply);
}
