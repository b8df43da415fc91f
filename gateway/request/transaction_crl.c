/*
 * The revocation lists in force, for whoever has to know them too. The hard part is their size, of
 * megabytes at times: an answer sends from the one text that all share, and copies none of it.
 */
#include "transaction_private.h"

#include <assert.h>
#include <string.h>

#include "gateway/http/conditions.h"

void
transaction_crl_begin(struct transaction *self)
{
	const struct tls_crl *crl = tls_verify_crl(tls_context_verify(self->services->tls));
	const struct request *request = &self->request;
	struct reply_frame answer = transaction_frame(self);

	assert(self->crl == NULL && self->phase == TX_READ_BODY);
	if (crl == NULL) {
		transaction_send_problem(
		    self, PROBLEM_NOT_FOUND, "This server works without revocation lists");
		return;
	}
	struct crl_text *text = tls_crl_text(crl);
	bool is_known = request->if_none_match.bytes != NULL &&
	                conditions_lists_tag(request->if_none_match, crl_text_tag(text));
	self->record.status = is_known ? 304 : 200;
	reply_print_head(&self->out, self->record.status, &answer);
	buffer_printf(&self->out, "ETag: %s\r\nCache-Control: no-cache\r\n", crl_text_tag(text));
	if (!is_known)
		buffer_printf(&self->out,
		    "Content-Type: application/x-pem-file\r\nContent-Length: %zu\r\n",
		    crl_text_size(text));
	buffer_append(&self->out, "\r\n", 2);
	if (!is_known && request->method != METHOD_HEAD)
		self->crl = crl_text_ref(text);
	self->phase = TX_ANSWER;
}

size_t
transaction_crl_left(const struct transaction *self)
{
	assert(self->crl == NULL || self->crl_sent <= crl_text_size(self->crl));
	return self->crl != NULL ? crl_text_size(self->crl) - self->crl_sent : 0;
}

size_t
transaction_crl_pull(struct transaction *self, char *bytes, size_t n)
{
	size_t left = transaction_crl_left(self);
	size_t take = left < n ? left : n;

	if (take == 0)
		return 0;
	memcpy(bytes, crl_text_bytes(self->crl) + self->crl_sent, take);
	self->crl_sent += take;
	return take;
}
