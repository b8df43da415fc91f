/*
 * One request. Read transaction_begin() for its path: gate, operation, policy, then one of a
 * body to read, an exchange with the store, or a reply of our own. The hard part is that a refusal
 * of a request with a body must first let that body pass by, or close.
 */
#include "transaction_private.h"

#include <assert.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DISCARD_MAX =
	    SNAPSHOT_MAX_BYTES, /* bytes of a refused body that are read to keep a connection */
	STORE_RETRY_AFTER = 5,  /* seconds */
	LIMIT_RETRY_AFTER = 30,
};

static void on_answer(void *arg);
static void on_body(void *arg);
static void on_failed(void *arg, enum problem problem, const char *why);
static bool check_piece(void *arg, const char *bytes, size_t n, bool is_last);

static const struct exchange_events exchange_events = {
    .on_answer = on_answer,
    .on_body = on_body,
    .on_failed = on_failed,
    .check_piece = check_piece,
};

time_t
transaction_now(const struct transaction *self)
{
	return (time_t)ev_now(self->services->loop);
}

struct reply_frame
transaction_frame(struct transaction *self)
{
	self->closes = self->closes || self->services->draining;
	return (struct reply_frame){.request_id = self->record.request_id,
	    .now = transaction_now(self),
	    .closes = self->closes,
	    .head_only = self->request.method == METHOD_HEAD};
}

void
transaction_send_reply(struct transaction *self, struct reply *reply)
{
	struct reply_frame answer = transaction_frame(self);

	self->record.status = reply->status;
	if (reply->problem != PROBLEM_NONE) {
		self->record.reason = problem_name(reply->problem);
		services_count(self->services, METRIC_REQUESTS_REFUSED, 1);
	}
	reply_print(reply, &answer, &self->out);
	reply_fini(reply);
	self->phase = TX_ANSWER;
}

void
transaction_send_problem(struct transaction *self, enum problem problem, const char *detail)
{
	struct reply reply = {0};

	reply_problem(&reply, problem, detail, self->record.request_id, self->retry_after);
	if (problem == PROBLEM_METHOD_NOT_ALLOWED)
		reply_allow(&reply, self->target == NULL
		                        ? "GET, HEAD"
		                        : operation_allowed_methods((struct http_span){
		                              self->target, strlen(self->target)}));
	transaction_send_reply(self, &reply);
}

void
transaction_end_exchange(struct transaction *self)
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
	transaction_send_problem(self, refusal->problem, refusal->detail);
	return self;
}

void
transaction_refuse(struct transaction *self, struct refusal refusal)
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
	transaction_send_problem(self, refusal.problem, refusal.detail);
}

void
transaction_refuse_because(struct transaction *self, enum problem problem, const char *detail)
{
	transaction_refuse(self, (struct refusal){problem, detail, false});
}

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

	self->phase = TX_AWAIT_STORE;
	self->exchange = exchange_start(self->services, &order, &exchange_events, self);
	if (self->exchange == NULL) {
		transaction_upload_give_back(self);
		self->retry_after = STORE_RETRY_AFTER;
		transaction_send_problem(
		    self, PROBLEM_STORE_UNAVAILABLE, "No store can be reached");
	}
}

/* The request is allowed: do it. */
static void
perform(struct transaction *self)
{
	const struct services *services = self->services;
	struct reply reply = {0};

	switch (self->operation) {
	case OPERATION_DOWNLOAD:
		transaction_download_begin(self);
		return;
	case OPERATION_SNAPSHOT:
		transaction_upload_begin(self);
		return;
	case OPERATION_LICENCE:
		reply_licence(&reply, services->policy, &self->caller, transaction_now(self));
		break;
	case OPERATION_HEALTHZ:
		reply_healthz(&reply, services, transaction_now(self));
		break;
	case OPERATION_STATUS:
		reply_status(&reply, services, transaction_now(self));
		break;
	case OPERATION_STATUS_JSON:
		reply_status_json(&reply, services, transaction_now(self));
		break;
	case OPERATION_METRICS:
		reply_metrics(&reply, services, transaction_now(self));
		break;
	case OPERATION_NONE:
		assert(0 && "an allowed request has an operation");
	}
	transaction_send_reply(self, &reply);
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
	refusal = operation_decide(services->policy, self->peer->caller, &self->request,
	    transaction_now(self), &self->operation);
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
		transaction_refuse(self, refusal);
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
		transaction_send_problem(self, self->refusal.problem, self->refusal.detail);
	else
		transaction_upload_store(self);
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
	transaction_upload_give_back(self);
	self->closes = true;
	transaction_send_problem(
	    self, PROBLEM_REQUEST_TIMEOUT, "The request's body did not come in time");
}

static void
on_answer(void *arg)
{
	struct transaction *self = arg;
	const struct response *response = exchange_response(self->exchange);

	if (self->operation == OPERATION_SNAPSHOT)
		transaction_upload_answer(self, response->status);
	else
		transaction_download_answer(self, response);
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
		transaction_end_exchange(self);
	} else {
		transaction_end_exchange(self);
		transaction_upload_give_back(self);
		if (problem == PROBLEM_STORE_UNAVAILABLE)
			self->retry_after = STORE_RETRY_AFTER;
		transaction_send_problem(self, problem, problem_title(problem));
	}
	self->peer->wake(self->peer->arg);
}

static bool
check_piece(void *arg, const char *bytes, size_t n, bool is_last)
{
	return transaction_download_check(arg, bytes, n, is_last);
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
		transaction_end_exchange(self);
		return *got > 0 ? TRANSACTION_OK : TRANSACTION_END;
	case EXCHANGE_CUT:
		*got += more;
		break;
	}
	self->record.reason = problem_name(PROBLEM_STORE_BAD_RESPONSE);
	transaction_end_exchange(self);
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
	return operation_redecide_download(self->services->policy, caller, self->target,
	    strlen(self->target), transaction_now(self));
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
		transaction_upload_give_back(self);
	transaction_end_exchange(self);
	services_count(self->services, METRIC_BYTES_SENT, self->record.bytes_out);
	write_log(self, close, reason);
	integrity_fini(&self->integrity);
	snapshot_fini(&self->snapshot);
	buffer_fini(&self->body);
	buffer_fini(&self->out);
	free(self->target);
	free(self->method);
	free(self);
}
