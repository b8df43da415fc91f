/*
 * A download: asked of the store, or decided here because a catalogue knows the artifact. The hard
 * part is bytes that are wrong: that shows with the last one, which the client must then not get.
 */
#include "transaction_private.h"

#include <assert.h>

#include "gateway/node/log.h"

static void
send_not_modified(struct transaction *self)
{
	struct reply_frame answer = transaction_frame(self);

	self->record.status = 304;
	reply_print_head(&self->out, 304, &answer);
	integrity_print_fields(&self->integrity, &self->out);
	buffer_append(&self->out, "\r\n", 2);
	self->phase = TX_ANSWER;
}

void
transaction_download_begin(struct transaction *self)
{
	const struct services *services = self->services;
	struct request *request = &self->request;

	assert(self->operation == OPERATION_DOWNLOAD && request->path.len > 0);
	switch (integrity_begin(&self->integrity, services->catalogues, services->marks, request)) {
	case INTEGRITY_ASK_STORE:
		if (request->range.form == RANGE_NONE)
			self->record.range = NULL;
		transaction_start_exchange(self, request->path.bytes, request->path.len);
		break;
	case INTEGRITY_NOT_MODIFIED:
		send_not_modified(self);
		break;
	case INTEGRITY_MARKED:
		transaction_send_problem(self, PROBLEM_STORE_BAD_RESPONSE,
		    "The store's artifact was found to differ from its catalogue");
		break;
	case INTEGRITY_NOT_TRUSTED:
		transaction_send_problem(self, PROBLEM_STORE_BAD_RESPONSE,
		    "The catalogue of this artifact cannot be trusted");
		break;
	}
}

/* The store's answer is not what the catalogue says, but DEFECT. */
static void
note_failure(struct transaction *self, const char *defect)
{
	assert(self->target != NULL && self->exchange != NULL);
	log_error("%s: store %s does not give what the catalogue says: %s", self->target,
	    exchange_store_name(self->exchange), defect);
	services_count(self->services, METRIC_INTEGRITY_FAILURES, 1);
	integrity_mark(&self->integrity, self->services->marks);
}

void
transaction_download_answer(struct transaction *self, const struct response *response)
{
	assert(self->phase == TX_AWAIT_STORE && self->exchange != NULL);
	if (response->status == 404) {
		transaction_end_exchange(self);
		transaction_send_problem(self, PROBLEM_NOT_FOUND, TRANSACTION_NO_ARTIFACT);
		return;
	}
	const char *defect = integrity_answer_defect(&self->integrity, response);
	if (defect != NULL) {
		note_failure(self, defect);
		exchange_reject(self->exchange);
		transaction_end_exchange(self);
		transaction_send_problem(self, PROBLEM_STORE_BAD_RESPONSE,
		    "The store's artifact differs from its catalogue");
		return;
	}
	struct reply_frame answer = transaction_frame(self);
	self->record.status = response->status;
	reply_print_head(&self->out, response->status, &answer);
	integrity_print_answer(&self->integrity, response, &self->out);
	buffer_append(&self->out, "\r\n", 2);
	self->phase = TX_ANSWER;
	if (self->paused)
		exchange_pause(self->exchange);
}

bool
transaction_download_check(struct transaction *self, const char *bytes, size_t n, bool is_last)
{
	assert(n > 0 && self->exchange != NULL);
	bool good = integrity_add_piece(&self->integrity, bytes, n, is_last);

	if (!good) {
		note_failure(self, "the SHA-256 of the content is another");
		self->cut_cause = TRANSACTION_CUT_WRONG;
	}
	return good;
}
