/*
 * An upload: its head, its body, the store's word for it. The hard part is the count of a day's
 * snapshots: one is taken before the body comes, and given back whenever nothing is stored.
 */
#include "transaction_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { DAY = 86400 }; /* seconds */

void
transaction_upload_give_back(struct transaction *self)
{
	if (self->snapshot_counted)
		quota_snapshot_return(self->services->quota,
		    quota_text_key(self->services->quota, self->caller.customer),
		    self->caller.snapshots_per_day, self->snapshot_counted_at);
	self->snapshot_counted = false;
}

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

void
transaction_upload_begin(struct transaction *self)
{
	const struct config *config = self->services->config;
	const struct policy_caller *caller = &self->caller;
	struct http_span name = operation_snapshot_name(self->request.path);

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
	if (!quota_snapshot_take(self->services->quota,
	        quota_text_key(self->services->quota, caller->customer), caller->snapshots_per_day,
	        transaction_now(self))) {
		self->retry_after = seconds_to_midnight(transaction_now(self));
		transaction_refuse_because(
		    self, PROBLEM_TOO_MANY, "No more snapshots are taken today");
		return;
	}
	self->snapshot_counted = true;
	self->snapshot_counted_at = transaction_now(self);
	(void)snprintf(self->stored_path, sizeof self->stored_path, "/snapshots/%s/%.*s/",
	    caller->customer, (int)name.len, name.bytes);
	self->body_left = self->request.content_length;
	self->continue_due = self->request.expects_continue;
	self->phase = TX_READ_BODY;
	if (self->body_left == 0)
		transaction_upload_store(self);
}

void
transaction_upload_store(struct transaction *self)
{
	const struct config *config = self->services->config;
	struct snapshot_limits limits = {
	    config->snapshot_max_bytes, config->snapshot_max_components};
	char defect[SNAPSHOT_DEFECT_MAX];
	const char *bytes = buffer_bytes(&self->body);
	size_t len = buffer_size(&self->body);
	int result = -1;

	const char *mismatch = content_digest_mismatch(&self->content_digest, bytes, len);
	if (mismatch != NULL)
		(void)snprintf(defect, sizeof defect,
		    "The content is not what its Content-Digest says (%s)", mismatch);
	else
		result = snapshot_canonicalise(bytes, len, &limits, &self->snapshot, defect);
	buffer_fini(&self->body);
	if (result != 0) {
		transaction_upload_give_back(self);
		transaction_send_problem(self, PROBLEM_SNAPSHOT_INVALID, defect);
		return;
	}
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
		transaction_upload_give_back(self);
		transaction_send_problem(
		    self, PROBLEM_STORE_BAD_RESPONSE, "The store did not confirm the snapshot");
		return;
	}
	const char *start = strrchr(self->target, '/') + 1;
	(void)snprintf(name, sizeof name, "%s", start);
	services_count(self->services, METRIC_SNAPSHOTS_STORED, 1);
	reply_receipt(&reply, self->caller.customer, name, &self->snapshot, self->stored_path,
	    self->record.request_id);
	transaction_send_reply(self, &reply);
}
