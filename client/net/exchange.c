/*
 * One request. The hard part is to keep apart who failed: the network, the server's certificate,
 * ours, the request, or the answer. libcurl's code says part of it, trust.c and answer.c the rest.
 */
#include "exchange.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "base/clock.h"
#include "base/path_spelling.h"
#include "client/common/report.h"
#include "field.h"

enum {
	PROBLEM_MAX = 64 * 1024, /* of an answer that is no success, this much is read */
	HEAD_MAX = 256 * 1024,   /* of all fields of an answer, before and after its content */
};

/* A value of the answer's header; NULL when it is not there exactly once. */
static const char *
field(CURL *handle, const char *name)
{
	struct curl_header *header = NULL;

	if (curl_easy_header(handle, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK ||
	    header->amount != 1)
		return NULL;
	return header->value;
}

static const char *
strong_etag(CURL *handle)
{
	const char *etag = field(handle, "ETag");
	return field_is_strong_etag(etag) ? etag : NULL;
}

/* What a server answers when it did all that was asked for. */
static long
whole_status(const struct exchange *self)
{
	return self->order->upload != NULL ? 201 : 200;
}

/* A 206 must be what was asked for, to the byte (RFC 9110, 15.3.7). A server that sends another
 * part would do so each time: all of it is asked for the next time. */
static bool
begin_part(struct exchange *self)
{
	const struct https_sink *sink = self->order->sink;
	const char *range = field(self->handle, "Content-Range");

	if (self->offset > 0 && field_is_rest(range, self->offset, self->order->size))
		return true;
	if (sink->begin(sink->arg, 0, NULL, &self->failure)) {
		failure_set(&self->failure, FAILURE_ANSWER,
		    "the server sends another part of %s than was asked for", self->order->path);
		self->failure.passes = true;
	}
	return false;
}

static bool
begin(struct exchange *self)
{
	long status = 0;

	self->begun = true;
	curl_easy_getinfo(self->handle, CURLINFO_RESPONSE_CODE, &status);
	self->success =
	    status == whole_status(self) || (status == 206 && self->order->sink != NULL);
	if (!self->success || self->order->sink == NULL)
		return true;
	if (status == 206 && !begin_part(self))
		return false;
	return self->order->sink->begin(self->order->sink->arg, status == 206 ? self->offset : 0,
	    strong_etag(self->handle), &self->failure);
}

/* What an answer that is no success says: as much as anybody has to say. The status tells what is
 * to be done, however long the rest is. */
static bool
take_problem(struct exchange *self, const char *bytes, size_t len)
{
	size_t room = PROBLEM_MAX - buffer_size(&self->problem);

	self->enough = len > room;
	buffer_append(&self->problem, bytes, self->enough ? room : len);
	return !self->enough;
}

static bool
take(struct exchange *self, const char *bytes, size_t len)
{
	if (self->order->rate != NULL)
		rate_charge(self->order->rate, len);
	if (!self->begun && !begin(self))
		return false;
	if (!self->success)
		return take_problem(self, bytes, len);
	if (self->order->sink != NULL)
		return self->order->sink->take(self->order->sink->arg, bytes, len, &self->failure);
	if (len > self->order->size - buffer_size(self->order->body))
		return failure_set(&self->failure, FAILURE_ANSWER,
		    "the server sends more than it may for %s", self->order->path);
	buffer_append(self->order->body, bytes, len);
	return true;
}

static size_t
on_body(char *bytes, size_t one, size_t len, void *arg)
{
	struct exchange *self = arg;

	(void)one; /* libcurl's size of an item is always 1 */
	if (self->failure.kind != FAILURE_NONE)
		return 0; /* a failure of bytes that had been paused does not end the transfer */
	self->paused = self->order->rate != NULL && rate_wait(self->order->rate) > 0;
	if (self->paused)
		return CURL_WRITEFUNC_PAUSE;
	self->passed += len;
	return take(self, bytes, len) ? len : 0;
}

/* libcurl has a limit of its own for the fields before the content, and none for those after it. */
static size_t
on_field(const char *bytes, size_t one, size_t len, void *arg)
{
	struct exchange *self = arg;

	(void)bytes;
	(void)one; /* libcurl's size of an item is always 1 */
	self->head += len;
	self->passed += len;
	if (self->head <= HEAD_MAX)
		return len;
	failure_set(&self->failure, FAILURE_ANSWER,
	    "the server sends more fields than it may for %s", self->order->path);
	return 0;
}

/* libcurl's own limit is of the speed of the last seconds: a burst now and then passes below it. A
 * connection that does not come about is for CURLOPT_CONNECTTIMEOUT to end. */
bool
exchange_is_slow(struct exchange *self, uint64_t rate, uint64_t window, struct failure *failure)
{
	int64_t now = clock_ms(), since = self->looked;
	curl_off_t ready = 0, sent = 0;

	curl_easy_getinfo(self->handle, CURLINFO_PRETRANSFER_TIME_T, &ready);
	self->looked = now;
	if (since == 0 || ready == 0 || self->paused)
		return false;
	self->active_ms += now - since;
	if ((uint64_t)self->active_ms < window)
		return false;
	curl_easy_getinfo(self->handle, CURLINFO_SIZE_UPLOAD_T, &sent);
	uint64_t passed = self->passed + (uint64_t)sent;
	bool slow = (passed - self->passed_before) * 1000 < rate * (uint64_t)self->active_ms;
	self->passed_before = passed;
	self->active_ms = 0;
	if (!slow)
		return false;
	failure_set(failure, FAILURE_UNREACHABLE,
	    "%s is too slow: fewer than %" PRIu64 " bytes a second of %s over %" PRIu64 " s",
	    self->server, rate, self->order->path, window / 1000);
	failure->passes = true;
	return true;
}

void
exchange_go_on(struct exchange *self)
{
	self->paused = false;
	(void)curl_easy_pause(self->handle, CURLPAUSE_CONT); /* failures: see on_body() */
}

/* Asks for what is missing only, when there is a part already. */
static struct curl_slist *
set_range(struct exchange *self)
{
	const char *etag = NULL;
	char text[512];

	self->offset = self->order->sink != NULL
	                   ? self->order->sink->resume(self->order->sink->arg, &etag)
	                   : 0;
	if (self->offset == 0)
		return NULL;
	snprintf(text, sizeof text, "%" PRIu64 "-", self->offset);
	curl_easy_setopt(self->handle, CURLOPT_RANGE, text);
	snprintf(text, sizeof text, "If-Range: %s", etag);
	struct curl_slist *fields = curl_slist_append(NULL, text);
	if (fields == NULL)
		abort();
	curl_easy_setopt(self->handle, CURLOPT_HTTPHEADER, fields);
	return fields;
}

/* libcurl would wait for a 100 before a large content: the answer is the same without. */
static struct curl_slist *
set_upload(struct exchange *self)
{
	const char *const lines[] = {
	    "Content-Type: application/json", self->order->upload->digest, "Expect:"};
	struct curl_slist *fields = NULL;

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		fields = curl_slist_append(fields, lines[i]);
		if (fields == NULL)
			abort();
	}
	curl_easy_setopt(self->handle, CURLOPT_CUSTOMREQUEST, "PUT");
	curl_easy_setopt(self->handle, CURLOPT_POSTFIELDSIZE, (long)self->order->upload->len);
	curl_easy_setopt(self->handle, CURLOPT_POSTFIELDS, self->order->upload->bytes);
	curl_easy_setopt(self->handle, CURLOPT_HTTPHEADER, fields);
	return fields;
}

static void
set_url(struct exchange *self)
{
	const char *path = self->order->path;
	struct buffer url = {0};

	buffer_append(&url, self->server, strlen(self->server));
	path_spelling_encode(path, strlen(path), &url);
	buffer_append(&url, "", 1);
	curl_easy_setopt(self->handle, CURLOPT_URL, buffer_bytes(&url));
	if (self->offset > 0)
		report_detail("GET %s%s from byte %" PRIu64, self->server, path, self->offset);
	else
		report_detail(
		    "%s %s%s", self->order->upload != NULL ? "PUT" : "GET", self->server, path);
	buffer_fini(&url);
}

void
exchange_begin(struct exchange *self, const struct exchange_order *order, struct trust *trust,
    CURL *handle, const char *server)
{
	*self =
	    (struct exchange){.order = order, .trust = trust, .handle = handle, .server = server};
	curl_easy_reset(handle);
	trust_apply(trust, handle);
	curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, self->text);
	curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(handle, CURLOPT_WRITEDATA, self);
	curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_field);
	curl_easy_setopt(handle, CURLOPT_HEADERDATA, self);
	self->fields = order->upload != NULL ? set_upload(self) : set_range(self);
	set_url(self);
}

/* The part that we have does not fit the server's file any more. */
static bool
start_over(const struct exchange *self, struct failure *failure)
{
	const struct https_sink *sink = self->order->sink;

	if (!sink->begin(sink->arg, 0, NULL, failure))
		return false;
	failure_set(failure, FAILURE_ANSWER, "%s has changed on the server", self->order->path);
	failure->passes = true;
	return false;
}

static bool
judge_status(const struct exchange *self, struct failure *failure)
{
	const struct buffer *problem = &self->problem;
	long status = 0;
	curl_off_t retry_after = 0;

	curl_easy_getinfo(self->handle, CURLINFO_RESPONSE_CODE, &status);
	if (status == whole_status(self) || (self->success && self->begun))
		return true;
	if (status == 416 && self->offset > 0)
		return start_over(self, failure);
	answer_judge(self->server, self->order->path, status,
	    problem->data != NULL ? buffer_bytes(problem) : "", buffer_size(problem), failure);
	curl_easy_getinfo(self->handle, CURLINFO_RETRY_AFTER, &retry_after);
	failure->retry_after = (long)retry_after;
	return false;
}

static bool
judge(struct exchange *self, CURLcode code, struct failure *failure)
{
	const struct https_sink *sink = self->order->sink;

	/* An empty answer has no first byte to begin with. */
	if (self->failure.kind == FAILURE_NONE && code == CURLE_OK && !self->begun)
		begin(self);
	if (self->failure.kind != FAILURE_NONE) {
		*failure = self->failure;
		return false;
	}
	if (code != CURLE_OK && !self->enough)
		return trust_judge(self->trust, self->server, code, self->text, failure);
	return judge_status(self, failure) && (sink == NULL || sink->end(sink->arg, failure));
}

bool
exchange_end(struct exchange *self, CURLcode code, struct failure *failure)
{
	bool done = judge(self, code, failure);

	exchange_abandon(self);
	if (!done && self->order->body != NULL)
		buffer_fini(self->order->body);
	return done;
}

void
exchange_abandon(struct exchange *self)
{
	buffer_fini(&self->problem);
	curl_slist_free_all(self->fields);
	self->fields = NULL;
}
