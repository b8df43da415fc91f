/*
 * One request. Read transaction_begin() for its path: gate, operation, policy, then one of a
 * body to read, an exchange with the store, or a reply of our own. The hard part is that the store
 * may fail at any moment: before the first byte of its answer that is a problem of our own, after
 * it the answer is cut.
 */
#include "base/clock.h"
#include "gateway/http/conditions.h"
#include "gateway/node/pulse.h"
#include "transaction_private.h"

#include <assert.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>

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

void
transaction_mark(const struct transaction *self)
{
	_Static_assert((int)ACCESS_REQUEST_ID_LEN == (int)PULSE_REQUEST_LEN, "an id fits");
	pulse_work_on(self->services->pulse, self->record.request_id);
}

static struct transaction *
new_transaction(struct services *services, const struct transaction_peer *peer, double started)
{
	struct transaction *self = buffer_alloc(sizeof *self);

	assert(peer->tls != NULL && peer->caller != NULL && peer->wake != NULL);
	self->services = services;
	self->store_events = &exchange_events;
	self->peer = peer;
	self->caller = *peer->caller;
	self->request.method = METHOD_OTHER;
	self->started = started;
	self->record.started = ev_now(services->loop) - (clock_seconds() - started);
	self->record.generation = services->generation;
	access_log_new_request_id(services->access_log, self->record.request_id);
	transaction_mark(self);
	services_count(services, METRIC_REQUESTS, 1);
	return self;
}

struct transaction *
transaction_begin_refused(struct services *services, const struct transaction_peer *peer,
    const struct refusal *refusal, double started)
{
	struct transaction *self = new_transaction(services, peer, started);

	assert(refusal->problem != PROBLEM_NONE);
	self->closes = true;
	if (refusal->problem == PROBLEM_TOO_MANY)
		transaction_send_too_many(self, peer->over, limit_retry_after(peer->over));
	else
		transaction_send_problem(self, refusal->problem, refusal->detail);
	return self;
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
	case OPERATION_CRL:
		transaction_crl_begin(self);
		return;
	case OPERATION_HEALTHZ:
		reply_healthz(&reply, services, transaction_now(self));
		break;
	case OPERATION_READYZ:
		reply_readyz(&reply, services, transaction_now(self));
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

	assert(self->method == NULL && self->target == NULL);
	if (request->method_text.bytes != NULL)
		self->method = buffer_copy(request->method_text.bytes, request->method_text.len);
	if (request->path.bytes != NULL)
		self->target = buffer_copy(request->path.bytes, request->path.len);
	conditions_print_range(&request->range, self->range);
	self->record.range = request->range.form != RANGE_NONE ? self->range : NULL;
}

/* Gate, limits, policy: may this request go on? */
static struct refusal
judge(struct transaction *self, struct http_span head, char room[static PATH_ROOM])
{
	const struct services *services = self->services;
	const struct request_gate gate = {
	    services->config->server_names, services->config->server_name_count};
	struct refusal refusal =
	    request_gate_check(&gate, head.bytes, head.len, room, &self->request);

	bool over = self->peer->over != LIMIT_NONE;

	/* Who is over a limit pays for a bad request, too, when it may send another one. */
	if (refusal.problem != PROBLEM_NONE && (refusal.closes || !over))
		return refusal;
	if (over)
		return (struct refusal){PROBLEM_TOO_MANY, NULL, false};
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
	char room[PATH_ROOM]; /* the request's path, until it is detached */

	self->record.bytes_in = head.len;
	struct refusal refusal = judge(self, head, room);
	self->closes = !self->request.keeps_alive || peer->caller->role == POLICY_ROLE_NONE;
	remember(self);
	if (refusal.problem == PROBLEM_NONE)
		perform(self);
	else if (refusal.problem == PROBLEM_TOO_MANY)
		transaction_refuse_too_many(self, peer->over, limit_retry_after(peer->over));
	else
		transaction_refuse(self, refusal);
	request_detach(&self->request);
	assert(self->phase != TX_READ_BODY || self->body_left > 0);
	assert((self->exchange != NULL) == (self->phase == TX_AWAIT_STORE));
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
	assert(self->body_left == 0);
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
	transaction_count_bytes(self);
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
	transaction_return_snapshot(self);
	self->closes = true;
	transaction_send_problem(
	    self, PROBLEM_REQUEST_TIMEOUT, "The request's body did not come in time");
}

static void
on_answer(void *arg)
{
	struct transaction *self = arg;

	assert(self->phase == TX_AWAIT_STORE && self->exchange != NULL);
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

	assert(self->phase == TX_ANSWER && self->exchange != NULL);
	self->peer->wake(self->peer->arg);
}

static void
on_failed(void *arg, enum problem problem, const char *why)
{
	struct transaction *self = arg;

	(void)why;
	assert(self->exchange != NULL && problem != PROBLEM_NONE);
	assert(self->phase == TX_AWAIT_STORE || self->phase == TX_ANSWER);
	if (self->phase == TX_ANSWER) {
		self->phase = TX_CUT;
		if (problem == PROBLEM_STORE_TIMEOUT)
			self->cut_cause = TRANSACTION_CUT_STALLED;
		self->record.reason = problem_name(problem);
		transaction_end_exchange(self);
	} else {
		if (problem == PROBLEM_NOT_FOUND)
			self->record.store_status = exchange_store_status(self->exchange);
		transaction_end_exchange(self);
		transaction_return_snapshot(self);
		if (problem == PROBLEM_STORE_UNAVAILABLE)
			self->retry_after = TRANSACTION_STORE_RETRY_AFTER;
		transaction_send_problem(self, problem,
		    problem == PROBLEM_NOT_FOUND ? TRANSACTION_NO_ARTIFACT
		                                 : problem_title(problem));
	}
	self->peer->wake(self->peer->arg);
}

static bool
check_piece(void *arg, const char *bytes, size_t n, bool is_last)
{
	return transaction_download_check(arg, bytes, n, is_last);
}

/* Appends body bytes of the running exchange to *GOT bytes, the head if any, that are there
 * already, as many as can be had without waiting. */
static enum exchange_status
read_body(struct transaction *self, char *bytes, size_t n, size_t *got)
{
	enum exchange_status status;
	size_t more, before = *got;

	assert(self->exchange != NULL && before < n);
	do {
		status = exchange_read(self->exchange, bytes + *got, n - *got, &more);
		*got += more;
		assert(*got <= n);
	} while (status == EXCHANGE_OK && *got < n && exchange_has_more(self->exchange));
	return status == EXCHANGE_WAIT && *got > before ? EXCHANGE_OK : status;
}

/* The answer is head, body, end, or the end of it that comes too early. The head waits for the
 * first bytes of the body: together they are one record and one system call. */
static enum transaction_status
pull(struct transaction *self, char *bytes, size_t n, size_t *got)
{
	if (self->phase != TX_ANSWER && self->phase != TX_CUT)
		return TRANSACTION_WAIT;
	enum exchange_status status = self->phase == TX_CUT ? EXCHANGE_CUT : EXCHANGE_END;
	size_t head = buffer_size(&self->out) < n ? buffer_size(&self->out) : n;
	if (head > 0)
		memcpy(bytes, buffer_bytes(&self->out), head);
	*got = head;
	if (self->exchange != NULL && head < n) {
		status = read_body(self, bytes, n, got);
		if (status == EXCHANGE_WAIT) {
			*got = 0;
			return TRANSACTION_WAIT;
		}
		if (status == EXCHANGE_CUT)
			self->record.reason = problem_name(PROBLEM_STORE_BAD_RESPONSE);
		if (status != EXCHANGE_OK)
			transaction_end_exchange(self);
	}
	if (status == EXCHANGE_CUT)
		self->phase = TX_CUT;
	buffer_consume(&self->out, head);
	*got += transaction_crl_pull(self, bytes + *got, n - *got);
	assert(*got <= n);
	if (*got > 0)
		return TRANSACTION_OK;
	return status == EXCHANGE_CUT ? TRANSACTION_CUT : TRANSACTION_END;
}

unsigned long long
transaction_left(const struct transaction *self)
{
	if (self->phase != TX_ANSWER && self->phase != TX_CUT)
		return 0;
	return buffer_size(&self->out) + transaction_crl_left(self) +
	       (self->exchange != NULL ? exchange_remaining(self->exchange) : 0);
}

enum transaction_status
transaction_pull(struct transaction *self, char *bytes, size_t n, size_t *got)
{
	assert(n > 0);
	*got = 0;
	enum transaction_status status = pull(self, bytes, n, got);
	if (self->record.bytes_out == 0 && *got > 0)
		self->first_byte = clock_seconds();
	self->record.bytes_out += *got;
	transaction_count_bytes(self);
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

enum transaction_cut
transaction_cut_cause(const struct transaction *self)
{
	assert(self->phase == TX_CUT);
	return self->cut_cause;
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
	record->group = tls_stream_group(tls);
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
	record->duration_ms = (clock_seconds() - self->started) * 1000;
	record->close = close;
	access_log_write(self->services->access_log, record);
}

void
transaction_end(struct transaction *self, const char *close, const char *reason)
{
	if (self == NULL)
		return;
	transaction_end_exchange(self);
	assert(!self->transfer_counted);
	if (self->phase != TX_ANSWER)
		transaction_return_snapshot(self);
	write_log(self, close, reason);
	transaction_count(self);
	integrity_fini(&self->integrity);
	snapshot_fini(&self->snapshot);
	buffer_fini(&self->body);
	buffer_fini(&self->out);
	crl_text_unref(self->crl);
	free(self->target);
	free(self->method);
	free(self);
}
