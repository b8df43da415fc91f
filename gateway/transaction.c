/*
 * One request. Read transaction_begin() for its path: gate, operation, policy, then one of a
 * body to read, an exchange with the store, or a reply of our own. The hard part is that a refusal
 * of a request with a body must first let that body pass by, or close.
 */
#include "transaction.h"

#include <assert.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "content_digest.h"
#include "exchange.h"
#include "reply.h"
#include "snapshot.h"

enum {
	DISCARD_MAX =
	    SNAPSHOT_MAX_BYTES, /* bytes of a refused body that are read to keep a connection */
	STORE_RETRY_AFTER = 5,  /* seconds */
	LIMIT_RETRY_AFTER = 30,
	DAY = 86400,
	STORED_PATH_MAX = 320, /* /snapshots/CUSTOMER/NAME/SHA256.json */
};

enum phase { TX_READ_BODY, TX_AWAIT_STORE, TX_ANSWER, TX_CUT };

struct transaction {
	struct services *services;
	const struct transaction_peer *peer;
	struct policy_caller caller; /* as the request was decided, whatever a reload brings */
	enum phase phase;
	struct request request; /* without its spans once transaction_begin() is over */
	enum operation operation;
	struct refusal refusal; /* to be answered when the body has passed by */
	bool closes, continue_due, paused;
	bool snapshot_counted;
	time_t snapshot_counted_at;
	unsigned retry_after;
	char *target; /* path as it came, for the log; NULL when there was none */
	char *method;
	char range[REQUEST_RANGE_TEXT];
	struct buffer body; /* of an upload */
	struct content_digest content_digest;
	unsigned long long body_left;
	struct snapshot snapshot;
	char stored_path[STORED_PATH_MAX];
	struct exchange *exchange; /* NULL: none, or over */
	struct buffer out;         /* head of the answer, or all of it */
	/* For the log. */
	struct access_record record;
	char store_name[128];
};

static void on_answer(void *arg);
static void on_body(void *arg);
static void on_failed(void *arg, enum problem problem, const char *why);

static const struct exchange_events exchange_events = {
    .on_answer = on_answer,
    .on_body = on_body,
    .on_failed = on_failed,
};

static time_t
now(const struct transaction *self)
{
	return (time_t)ev_now(self->services->loop);
}

static struct reply_frame
frame(struct transaction *self)
{
	self->closes = self->closes || self->services->draining;
	return (struct reply_frame){.request_id = self->record.request_id,
	    .now = now(self),
	    .closes = self->closes,
	    .head_only = self->request.method == METHOD_HEAD};
}

/* The answer is REPLY, which is used up. */
static void
send_reply(struct transaction *self, struct reply *reply)
{
	struct reply_frame answer = frame(self);

	self->record.status = reply->status;
	if (reply->problem != PROBLEM_NONE) {
		self->record.reason = problem_name(reply->problem);
		services_count(self->services, METRIC_REQUESTS_REFUSED, 1);
	}
	reply_print(reply, &answer, &self->out);
	reply_fini(reply);
	self->phase = TX_ANSWER;
}

static void
send_problem(struct transaction *self, enum problem problem, const char *detail)
{
	struct reply reply = {0};

	reply_problem(&reply, problem, detail, self->record.request_id, self->retry_after);
	if (problem == PROBLEM_METHOD_NOT_ALLOWED)
		reply_allow(&reply, self->target == NULL
		                        ? "GET, HEAD"
		                        : operation_allowed_methods((struct http_span){
		                              self->target, strlen(self->target)}));
	send_reply(self, &reply);
}

/* Keeps what the log and the end of the exchange need, and lets go of the store. */
static void
end_exchange(struct transaction *self)
{
	if (self->exchange == NULL)
		return;
	(void)snprintf(
	    self->store_name, sizeof self->store_name, "%s", exchange_store_name(self->exchange));
	self->record.store = self->store_name[0] != '\0' ? self->store_name : NULL;
	self->record.store_ms = exchange_milliseconds(self->exchange);
	exchange_free(self->exchange);
	self->exchange = NULL;
}

static struct transaction *
new_transaction(struct services *services, const struct transaction_peer *peer, double started)
{
	struct transaction *self = buffer_alloc(sizeof *self);

	self->services = services;
	self->peer = peer;
	self->caller = *peer->caller;
	self->request.method = METHOD_OTHER;
	self->record.started = started;
	self->record.generation = services->generation;
	access_log_new_request_id(services->access_log, self->record.request_id);
	services_count(services, METRIC_REQUESTS, 1);
	return self;
}

struct transaction *
transaction_begin_refused(struct services *services, const struct transaction_peer *peer,
    const struct refusal *refusal, double started)
{
	struct transaction *self = new_transaction(services, peer, started);

	self->closes = true;
	send_problem(self, refusal->problem, refusal->detail);
	return self;
}

/* Answers REFUSAL, at once or when the request's body has passed by. */
static void
refuse(struct transaction *self, struct refusal refusal)
{
	unsigned long long length = self->request.content_length;

	self->refusal = refusal;
	self->closes = self->closes || refusal.closes;
	if (length > 0 && !self->closes && !self->request.expects_continue &&
	    length <= DISCARD_MAX) {
		self->body_left = length;
		self->phase = TX_READ_BODY;
		return;
	}
	if (length > 0)
		self->closes = true;
	send_problem(self, refusal.problem, refusal.detail);
}

static void
refuse_because(struct transaction *self, enum problem problem, const char *detail)
{
	refuse(self, (struct refusal){problem, detail, false});
}

static void
give_snapshot_back(struct transaction *self)
{
	if (self->snapshot_counted)
		quota_snapshot_return(self->services->quota,
		    quota_text_key(self->services->quota, self->caller.customer),
		    self->caller.snapshots_per_day, self->snapshot_counted_at);
	self->snapshot_counted = false;
}

static void
start_exchange(struct transaction *self, const char *path, size_t path_len)
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

	self->phase = TX_AWAIT_STORE;
	self->exchange = exchange_start(self->services, &order, &exchange_events, self);
	if (self->exchange == NULL) {
		give_snapshot_back(self);
		self->retry_after = STORE_RETRY_AFTER;
		send_problem(self, PROBLEM_STORE_UNAVAILABLE, "No store can be reached");
	}
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

static void store_snapshot(struct transaction *self);

/* The upload is allowed: check what its head says before any of the body is read. */
static void
begin_snapshot(struct transaction *self)
{
	const struct config *config = self->services->config;
	const struct policy_caller *caller = &self->caller;
	struct http_span name = operation_snapshot_name(self->request.path);

	if (!self->request.has_content_length) {
		refuse_because(self, PROBLEM_LENGTH_REQUIRED, "An upload needs a Content-Length");
		return;
	}
	if (!is_json(self->request.content_type) || self->request.has_content_encoding) {
		refuse_because(self, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
		    "A snapshot's Content-Type is application/json, without Content-Encoding");
		return;
	}
	if (self->request.content_length > config->snapshot_max_bytes) {
		refuse(self, (struct refusal){PROBLEM_SNAPSHOT_TOO_LARGE,
		                 "The snapshot is larger than this server takes", true});
		return;
	}
	if (self->request.content_digest.bytes != NULL &&
	    !content_digest_parse(self->request.content_digest, &self->content_digest)) {
		refuse_because(self, PROBLEM_MALFORMED_REQUEST,
		    "Content-Digest is not a dictionary of byte sequences (RFC 9530)");
		return;
	}
	if (!quota_snapshot_take(self->services->quota,
	        quota_text_key(self->services->quota, caller->customer), caller->snapshots_per_day,
	        now(self))) {
		self->retry_after = seconds_to_midnight(now(self));
		refuse_because(self, PROBLEM_TOO_MANY, "No more snapshots are taken today");
		return;
	}
	self->snapshot_counted = true;
	self->snapshot_counted_at = now(self);
	(void)snprintf(self->stored_path, sizeof self->stored_path, "/snapshots/%s/%.*s/",
	    caller->customer, (int)name.len, name.bytes);
	self->body_left = self->request.content_length;
	self->continue_due = self->request.expects_continue;
	self->phase = TX_READ_BODY;
	if (self->body_left == 0)
		store_snapshot(self);
}

/* The whole upload is here. */
static void
store_snapshot(struct transaction *self)
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
		give_snapshot_back(self);
		send_problem(self, PROBLEM_SNAPSHOT_INVALID, defect);
		return;
	}
	size_t used = strlen(self->stored_path);
	int n = snprintf(self->stored_path + used, sizeof self->stored_path - used, "%s.json",
	    self->snapshot.sha256);
	assert(n > 0 && (size_t)n < sizeof self->stored_path - used);
	start_exchange(self, self->stored_path, strlen(self->stored_path));
}

/* The request is allowed: do it. */
static void
perform(struct transaction *self)
{
	const struct services *services = self->services;
	struct reply reply = {0};

	switch (self->operation) {
	case OPERATION_DOWNLOAD:
		start_exchange(self, self->request.path.bytes, self->request.path.len);
		return;
	case OPERATION_SNAPSHOT:
		begin_snapshot(self);
		return;
	case OPERATION_LICENCE:
		reply_licence(&reply, services->policy, &self->caller, now(self));
		break;
	case OPERATION_HEALTHZ:
		reply_healthz(&reply, services, now(self));
		break;
	case OPERATION_STATUS:
		reply_status(&reply, services, now(self));
		break;
	case OPERATION_STATUS_JSON:
		reply_status_json(&reply, services, now(self));
		break;
	case OPERATION_METRICS:
		reply_metrics(&reply, services, now(self));
		break;
	case OPERATION_NONE:
		assert(0 && "an allowed request has an operation");
	}
	send_reply(self, &reply);
}

/* What the log shows of the request; its spans end with the head. */
static void
remember(struct transaction *self)
{
	const struct request *request = &self->request;

	if (request->method_text.bytes != NULL)
		self->method = buffer_copy(request->method_text.bytes, request->method_text.len);
	if (request->path.bytes != NULL)
		self->target = buffer_copy(request->path.bytes, request->path.len);
	request_gate_print_range(&request->range, self->range);
	self->record.range = request->range.form != RANGE_NONE ? self->range : NULL;
}

/* Gate, limits, policy: may this request go on? */
static struct refusal
judge(struct transaction *self, struct http_span head)
{
	const struct services *services = self->services;
	const struct request_gate gate = {
	    services->config->server_names, services->config->server_name_count};
	struct refusal refusal = request_gate_check(&gate, head.bytes, head.len, &self->request);

	if (refusal.problem != PROBLEM_NONE)
		return refusal;
	if (self->peer->over_limit) {
		self->retry_after = LIMIT_RETRY_AFTER;
		return (struct refusal){
		    PROBLEM_TOO_MANY, "This customer has too many connections open", true};
	}
	refusal = operation_decide(
	    services->policy, self->peer->caller, &self->request, now(self), &self->operation);
	if (refusal.problem == PROBLEM_NONE && self->request.content_length > 0 &&
	    self->operation != OPERATION_SNAPSHOT)
		return (struct refusal){PROBLEM_BODY_NOT_ALLOWED, "Only uploads have a body", true};
	return refusal;
}

struct transaction *
transaction_begin(struct services *services, const struct transaction_peer *peer,
    struct http_span head, double started)
{
	struct transaction *self = new_transaction(services, peer, started);

	self->record.bytes_in = head.len;
	struct refusal refusal = judge(self, head);
	self->closes = !self->request.keeps_alive || peer->over_limit ||
	               peer->caller->role == POLICY_ROLE_NONE;
	remember(self);
	if (refusal.problem == PROBLEM_NONE)
		perform(self);
	else
		refuse(self, refusal);
	request_gate_detach(&self->request);
	return self;
}

size_t
transaction_body_wanted(const struct transaction *self)
{
	return self->phase == TX_READ_BODY ? (size_t)self->body_left : 0;
}

bool
transaction_take_continue(struct transaction *self)
{
	bool due = self->continue_due;
	self->continue_due = false;
	return due;
}

/* All of the body has come, or has passed by. */
static void
body_complete(struct transaction *self)
{
	if (self->refusal.problem != PROBLEM_NONE)
		send_problem(self, self->refusal.problem, self->refusal.detail);
	else
		store_snapshot(self);
}

void
transaction_push_body(struct transaction *self, const char *bytes, size_t n)
{
	assert(self->phase == TX_READ_BODY && n <= self->body_left);
	self->continue_due = false;
	self->record.bytes_in += n;
	self->body_left -= n;
	if (self->refusal.problem == PROBLEM_NONE)
		buffer_append(&self->body, bytes, n);
	if (self->body_left == 0)
		body_complete(self);
}

void
transaction_body_timed_out(struct transaction *self)
{
	assert(self->phase == TX_READ_BODY);
	give_snapshot_back(self);
	self->closes = true;
	send_problem(self, PROBLEM_REQUEST_TIMEOUT, "The request's body did not come in time");
}

/* The store has confirmed the snapshot, or not. */
static void
answer_upload(struct transaction *self, unsigned status)
{
	char name[160];
	struct reply reply = {0};

	end_exchange(self);
	if (status != 200 && status != 201 && status != 204) {
		give_snapshot_back(self);
		send_problem(
		    self, PROBLEM_STORE_BAD_RESPONSE, "The store did not confirm the snapshot");
		return;
	}
	const char *start = strrchr(self->target, '/') + 1;
	(void)snprintf(name, sizeof name, "%s", start);
	services_count(self->services, METRIC_SNAPSHOTS_STORED, 1);
	reply_receipt(&reply, self->caller.customer, name, &self->snapshot, self->stored_path,
	    self->record.request_id);
	send_reply(self, &reply);
}

static void
answer_download(struct transaction *self, const struct response *response)
{
	if (response->status == 404) {
		end_exchange(self);
		send_problem(self, PROBLEM_NOT_FOUND, "The store has no artifact of this path");
		return;
	}
	struct reply_frame answer = frame(self);
	self->record.status = response->status;
	reply_print_head(&self->out, response->status, &answer);
	response_gate_print(response, &self->out);
	buffer_append(&self->out, "\r\n", 2);
	self->phase = TX_ANSWER;
	if (self->paused)
		exchange_pause(self->exchange);
}

static void
on_answer(void *arg)
{
	struct transaction *self = arg;
	const struct response *response = exchange_response(self->exchange);

	if (self->operation == OPERATION_SNAPSHOT)
		answer_upload(self, response->status);
	else
		answer_download(self, response);
	self->peer->wake(self->peer->arg);
}

static void
on_body(void *arg)
{
	struct transaction *self = arg;
	self->peer->wake(self->peer->arg);
}

static void
on_failed(void *arg, enum problem problem, const char *why)
{
	struct transaction *self = arg;

	(void)why;
	if (self->phase == TX_ANSWER) {
		self->phase = TX_CUT;
		self->record.reason = problem_name(problem);
		end_exchange(self);
	} else {
		end_exchange(self);
		give_snapshot_back(self);
		if (problem == PROBLEM_STORE_UNAVAILABLE)
			self->retry_after = STORE_RETRY_AFTER;
		send_problem(self, problem, problem_title(problem));
	}
	self->peer->wake(self->peer->arg);
}

/* Appends body bytes of the running exchange to *GOT bytes that are there already. */
static enum transaction_status
pull_body(struct transaction *self, char *bytes, size_t n, size_t *got)
{
	size_t more;

	switch (exchange_read(self->exchange, bytes + *got, n - *got, &more)) {
	case EXCHANGE_OK:
		*got += more;
		return TRANSACTION_OK;
	case EXCHANGE_WAIT:
		return *got > 0 ? TRANSACTION_OK : TRANSACTION_WAIT;
	case EXCHANGE_END:
		end_exchange(self);
		return *got > 0 ? TRANSACTION_OK : TRANSACTION_END;
	case EXCHANGE_CUT:
		break;
	}
	self->record.reason = problem_name(PROBLEM_STORE_BAD_RESPONSE);
	end_exchange(self);
	self->phase = TX_CUT;
	return *got > 0 ? TRANSACTION_OK : TRANSACTION_CUT;
}

static enum transaction_status
pull(struct transaction *self, char *bytes, size_t n, size_t *got)
{
	if (self->phase == TX_CUT)
		return TRANSACTION_CUT;
	if (self->phase != TX_ANSWER)
		return TRANSACTION_WAIT;
	if (buffer_size(&self->out) > 0) {
		*got = buffer_size(&self->out) < n ? buffer_size(&self->out) : n;
		memcpy(bytes, buffer_bytes(&self->out), *got);
		buffer_consume(&self->out, *got);
	}
	if (self->exchange == NULL)
		return *got > 0 ? TRANSACTION_OK : TRANSACTION_END;
	if (*got == n)
		return TRANSACTION_OK;
	return pull_body(self, bytes, n, got);
}

enum transaction_status
transaction_pull(struct transaction *self, char *bytes, size_t n, size_t *got)
{
	*got = 0;
	enum transaction_status status = pull(self, bytes, n, got);
	self->record.bytes_out += *got;
	return status;
}

void
transaction_set_paused(struct transaction *self, bool paused)
{
	self->paused = paused;
	if (self->exchange == NULL || self->phase != TX_ANSWER)
		return; /* the store's head is read in any case */
	if (paused)
		exchange_pause(self->exchange);
	else
		exchange_resume(self->exchange);
}

bool
transaction_closes(const struct transaction *self)
{
	return self->closes;
}

bool
transaction_is_refused(const struct transaction *self)
{
	return self->record.reason != NULL;
}

enum problem
transaction_redecide(const struct transaction *self, const struct policy_caller *caller)
{
	if (self->operation != OPERATION_DOWNLOAD || self->exchange == NULL)
		return PROBLEM_NONE;
	return operation_redecide_download(
	    self->services->policy, caller, self->target, strlen(self->target), now(self));
}

static void
write_log(struct transaction *self, const char *close, const char *reason)
{
	struct access_record *record = &self->record;
	const struct tls_stream *tls = self->peer->tls;
	const struct identity *identity = tls_stream_identity(tls);
	const char *customer = self->caller.customer;

	record->client = self->peer->address;
	record->tls = tls_stream_version(tls);
	record->cipher = tls_stream_cipher(tls);
	record->resumed = tls_stream_is_resumed(tls);
	record->subject = identity->subject;
	record->serial = identity->serial;
	record->customer = customer[0] != '\0' ? customer : NULL;
	record->operation = operation_name(self->operation);
	record->method = self->method;
	record->method_len = self->method != NULL ? strlen(self->method) : 0;
	record->path = self->target;
	record->path_len = self->target != NULL ? strlen(self->target) : 0;
	if (reason != NULL)
		record->reason = reason;
	record->duration_ms = (ev_now(self->services->loop) - record->started) * 1000;
	record->close = close;
	access_log_write(self->services->access_log, record);
}

void
transaction_end(struct transaction *self, const char *close, const char *reason)
{
	if (self == NULL)
		return;
	if (self->phase != TX_ANSWER)
		give_snapshot_back(self);
	end_exchange(self);
	services_count(self->services, METRIC_BYTES_SENT, self->record.bytes_out);
	write_log(self, close, reason);
	snapshot_fini(&self->snapshot);
	buffer_fini(&self->body);
	buffer_fini(&self->out);
	free(self->target);
	free(self->method);
	free(self);
}
