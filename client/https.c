/*
 * Requests, one at a time, over a libcurl handle.
 *
 * The hard part is to keep apart who failed: the network, the server's certificate, ours, the
 * request, or the answer. libcurl's code says part of it, trust.c and answer.c the rest.
 */
#include "https.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "answer.h"
#include "report.h"
#include "retry.h"
#include "trust.h"

struct https {
	const struct config *config;
	struct trust *trust;
	CURL *handle;
	size_t server; /* the one in use, in the configuration's list */
};

enum { PROBLEM_MAX = 64 * 1024 }; /* of an answer that is no success, this much is read */

/* One request with all its tries, and the answer of the try that goes on. */
struct exchange {
	const char *path;
	uint64_t size; /* exactly, with a sink; at most, with a body */
	struct buffer *body;
	const struct https_sink *sink;     /* instead of a body */
	const struct https_upload *upload; /* what is put; NULL for a GET */
	CURL *handle;
	uint64_t offset;        /* of the first byte asked for */
	bool begun;             /* something of the content has come */
	bool success;           /* the status is one */
	struct buffer problem;  /* the body of an answer that is none */
	struct failure failure; /* what the answer's own bytes were refused for */
};

struct https *
https_new(const struct config *config, struct failure *failure)
{
	struct trust *trust = trust_new(config, failure);
	if (trust == NULL)
		return NULL;
	struct https *self = buffer_alloc(sizeof *self);
	*self = (struct https){.config = config, .trust = trust, .handle = curl_easy_init()};
	if (self->handle == NULL)
		abort();
	return self;
}

void
https_free(struct https *self)
{
	if (self == NULL)
		return;
	curl_easy_cleanup(self->handle);
	trust_free(self->trust);
	free(self);
}

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
	return etag != NULL && etag[0] == '"' ? etag : NULL;
}

/* What a server answers when it did all that was asked for. */
static long
whole_status(const struct exchange *self)
{
	return self->upload != NULL ? 201 : 200;
}

/* A 206 must be what was asked for, to the byte (RFC 9110, 15.3.7). */
static bool
begin_part(struct exchange *self)
{
	char expected[128];
	const char *range = field(self->handle, "Content-Range");

	snprintf(expected, sizeof expected, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, self->offset,
	    self->size - 1, self->size);
	if (self->offset == 0 || range == NULL || strcmp(range, expected) != 0)
		return failure_set(&self->failure, FAILURE_ANSWER,
		    "the server sends another part of %s than was asked for", self->path);
	return true;
}

static bool
begin(struct exchange *self)
{
	long status = 0;

	self->begun = true;
	curl_easy_getinfo(self->handle, CURLINFO_RESPONSE_CODE, &status);
	self->success = status == whole_status(self) || (status == 206 && self->sink != NULL);
	if (!self->success || self->sink == NULL)
		return true;
	if (status == 206 && !begin_part(self))
		return false;
	return self->sink->begin(self->sink->arg, status == 206 ? self->offset : 0,
	    strong_etag(self->handle), &self->failure);
}

static bool
take(struct exchange *self, const char *bytes, size_t len)
{
	if (!self->begun && !begin(self))
		return false;
	struct buffer *body = self->success ? self->body : &self->problem;
	if (self->success && self->sink != NULL)
		return self->sink->take(self->sink->arg, bytes, len, &self->failure);
	if (len > (self->success ? self->size : PROBLEM_MAX) - buffer_size(body))
		return failure_set(&self->failure, FAILURE_ANSWER,
		    "the server sends more than it may for %s", self->path);
	buffer_append(body, bytes, len);
	return true;
}

static size_t
on_body(char *bytes, size_t one, size_t len, void *self)
{
	(void)one; /* libcurl's size of an item is always 1 */
	return take(self, bytes, len) ? len : 0;
}
/* Asks for what is missing only, when there is a part already. */
static struct curl_slist *
set_range(struct exchange *self)
{
	const char *etag = NULL;
	char text[512];

	self->offset = self->sink != NULL ? self->sink->resume(self->sink->arg, &etag) : 0;
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
	    "Content-Type: application/json", self->upload->digest, "Expect:"};
	struct curl_slist *fields = NULL;

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		fields = curl_slist_append(fields, lines[i]);
		if (fields == NULL)
			abort();
	}
	curl_easy_setopt(self->handle, CURLOPT_CUSTOMREQUEST, "PUT");
	curl_easy_setopt(self->handle, CURLOPT_POSTFIELDSIZE, (long)self->upload->len);
	curl_easy_setopt(self->handle, CURLOPT_POSTFIELDS, self->upload->bytes);
	curl_easy_setopt(self->handle, CURLOPT_HTTPHEADER, fields);
	return fields;
}

static CURLcode
perform(struct https *self, const char *server, struct exchange *exchange, char *text)
{
	char *url = NULL;

	if (asprintf(&url, "%s%s", server, exchange->path) < 0)
		abort();
	curl_easy_reset(self->handle);
	trust_apply(self->trust, self->handle);
	trust_forget(self->trust);
	curl_easy_setopt(self->handle, CURLOPT_URL, url);
	curl_easy_setopt(self->handle, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(self->handle, CURLOPT_ERRORBUFFER, text);
	curl_easy_setopt(self->handle, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(self->handle, CURLOPT_WRITEDATA, exchange);
	struct curl_slist *fields =
	    exchange->upload != NULL ? set_upload(exchange) : set_range(exchange);
	if (exchange->offset > 0)
		report_detail("GET %s from byte %" PRIu64, url, exchange->offset);
	else
		report_detail("%s %s", exchange->upload != NULL ? "PUT" : "GET", url);
	CURLcode code = curl_easy_perform(self->handle);
	curl_slist_free_all(fields);
	free(url);
	return code;
}

/* The part that we have does not fit the server's file any more. */
static bool
start_over(const struct exchange *exchange, struct failure *failure)
{
	if (!exchange->sink->begin(exchange->sink->arg, 0, NULL, failure))
		return false;
	failure_set(failure, FAILURE_ANSWER, "%s has changed on the server", exchange->path);
	failure->passes = true;
	return false;
}

static bool
judge_status(struct https *self, const char *server, const struct exchange *exchange,
    struct failure *failure)
{
	const struct buffer *problem = &exchange->problem;
	long status = 0;
	curl_off_t retry_after = 0;

	curl_easy_getinfo(self->handle, CURLINFO_RESPONSE_CODE, &status);
	if (status == whole_status(exchange) || (exchange->success && exchange->begun))
		return true;
	if (status == 416 && exchange->offset > 0)
		return start_over(exchange, failure);
	answer_judge(server, exchange->path, status,
	    problem->data != NULL ? buffer_bytes(problem) : "", buffer_size(problem), failure);
	curl_easy_getinfo(self->handle, CURLINFO_RETRY_AFTER, &retry_after);
	failure->retry_after = (long)retry_after;
	return false;
}

static bool
try_once(struct https *self, struct exchange *exchange, struct failure *failure)
{
	const char *server = self->config->servers[self->server];
	char text[CURL_ERROR_SIZE] = "";

	CURLcode code = perform(self, server, exchange, text);
	if (exchange->failure.kind != FAILURE_NONE) {
		*failure = exchange->failure;
		return false;
	}
	if (code != CURLE_OK)
		return trust_judge(self->trust, server, code, text, failure);
	return judge_status(self, server, exchange, failure) &&
	       (exchange->sink == NULL || exchange->sink->end(exchange->sink->arg, failure));
}

static void
wait_for(long milliseconds)
{
	struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000};

	while (nanosleep(&left, &left) != 0)
		;
}

/* Tries until it is done or not worth another try. */
static bool
run(struct https *self, const struct exchange *order, struct failure *failure)
{
	for (unsigned tries = 1;; tries++) {
		struct exchange exchange = *order;
		exchange.handle = self->handle;
		bool done = try_once(self, &exchange, failure);
		buffer_fini(&exchange.problem);
		if (done)
			return true;
		if (order->body != NULL)
			buffer_fini(order->body);
		if (!retry_is_due(failure, tries, self->config->tries))
			return false;
		long pause = retry_pause(failure, tries);
		report_note("%s; trying again in %.1f s", failure->text, (double)pause / 1000);
		wait_for(pause);
		self->server = (self->server + 1) % self->config->server_count;
	}
}

bool
https_get(
    struct https *self, const char *path, size_t max, struct buffer *body, struct failure *failure)
{
	return run(self, &(struct exchange){.path = path, .size = max, .body = body}, failure);
}

bool
https_download(struct https *self, const char *path, uint64_t size, const struct https_sink *sink,
    struct failure *failure)
{
	return run(self, &(struct exchange){.path = path, .size = size, .sink = sink}, failure);
}

bool
https_put(struct https *self, const char *path, const struct https_upload *upload, size_t max,
    struct buffer *body, struct failure *failure)
{
	return run(self,
	    &(struct exchange){.path = path, .size = max, .body = body, .upload = upload}, failure);
}
