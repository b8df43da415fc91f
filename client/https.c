/*
 * Small requests, one at a time, over a libcurl handle.
 *
 * The hard part is to keep apart who failed: the network, the server's certificate, ours, the
 * request, or the answer. libcurl's code says part of it, trust.c and answer.c the rest.
 */
#include "https.h"

#include <curl/curl.h>
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

/* One try of a request. */
struct attempt {
	struct buffer *body;
	size_t max;
	bool too_long;
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

static size_t
on_body(char *bytes, size_t one, size_t len, void *arg)
{
	struct attempt *attempt = arg;

	(void)one; /* libcurl's size of an item is always 1 */
	attempt->too_long = len > attempt->max - buffer_size(attempt->body);
	if (attempt->too_long)
		return 0;
	buffer_append(attempt->body, bytes, len);
	return len;
}

static bool
judge_status(CURL *handle, const char *server, const char *path, const struct buffer *body,
    struct failure *failure)
{
	long status = 0;
	curl_off_t retry_after = 0;

	curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200)
		return true;
	answer_judge(server, path, status, body->data != NULL ? buffer_bytes(body) : "",
	    buffer_size(body), failure);
	curl_easy_getinfo(handle, CURLINFO_RETRY_AFTER, &retry_after);
	failure->retry_after = (long)retry_after;
	return false;
}

static bool
try_once(struct https *self, const char *path, struct attempt *attempt, struct failure *failure)
{
	const char *server = self->config->servers[self->server];
	char text[CURL_ERROR_SIZE] = "", *url = NULL;

	if (asprintf(&url, "%s%s", server, path) < 0)
		abort();
	curl_easy_reset(self->handle);
	trust_apply(self->trust, self->handle);
	trust_forget(self->trust);
	curl_easy_setopt(self->handle, CURLOPT_URL, url);
	curl_easy_setopt(self->handle, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(self->handle, CURLOPT_ERRORBUFFER, text);
	curl_easy_setopt(self->handle, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(self->handle, CURLOPT_WRITEDATA, attempt);
	report_detail("GET %s", url);
	CURLcode code = curl_easy_perform(self->handle);
	free(url);
	if (attempt->too_long)
		return failure_set(failure, FAILURE_ANSWER, "%s sends more than %zu bytes for %s",
		    server, attempt->max, path);
	if (code != CURLE_OK)
		return trust_judge(self->trust, server, code, text, failure);
	return judge_status(self->handle, server, path, attempt->body, failure);
}

static void
wait_for(long milliseconds)
{
	struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000};

	while (nanosleep(&left, &left) != 0)
		;
}

bool
https_get(
    struct https *self, const char *path, size_t max, struct buffer *body, struct failure *failure)
{
	for (unsigned tries = 1;; tries++) {
		struct attempt attempt = {.body = body, .max = max};
		if (try_once(self, path, &attempt, failure))
			return true;
		buffer_fini(body);
		if (!retry_is_due(failure, tries, self->config->tries))
			return false;
		long pause = retry_pause(failure, tries);
		report_note("%s; trying again in %.1f s", failure->text, (double)pause / 1000);
		wait_for(pause);
		self->server = (self->server + 1) % self->config->server_count;
	}
}
