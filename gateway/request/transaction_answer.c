/*
 * An answer of our own. The hard part is a refusal of a request with a body: that body must first
 * pass by, or the connection close.
 */
#include "transaction_private.h"

#include <assert.h>
#include <ev.h>
#include <string.h>

enum {
	DISCARD_MAX = SNAPSHOT_MAX_BYTES
}; /* of a refused body that are read to keep a connection */

time_t
transaction_now(const struct transaction *self)
{
	return (time_t)ev_now(self->services->loop);
}

struct reply_frame
transaction_frame(struct transaction *self)
{
	self->closes = self->closes || services_is_leaving(self->services);
	return (struct reply_frame){.request_id = self->record.request_id,
	    .now = transaction_now(self),
	    .closes = self->closes,
	    .head_only = self->request.method == METHOD_HEAD};
}

void
transaction_send_reply(struct transaction *self, struct reply *reply)
{
	struct reply_frame answer = transaction_frame(self);

	assert(self->phase < TX_ANSWER && self->exchange == NULL);
	assert(buffer_size(&self->out) == 0);
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
transaction_refuse(struct transaction *self, struct refusal refusal)
{
	unsigned long long length = self->request.content_length;

	assert(self->phase == TX_READ_BODY && refusal.problem != PROBLEM_NONE);
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
