/*
 * What a store did that it may not do, in words for the log. The hard part is what must not be in
 * there: the query of a redirect may hold a signature that opens the store to whoever reads it.
 */
#include "exchange_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { TARGET_MAX = 200 }; /* bytes of a path or a URL that are shown */

/* How much of TEXT to show, and whether something was left out. */
static int
shown(const char *text, size_t len, bool *is_cut)
{
	size_t n = 0;

	while (n < len && n < TARGET_MAX && text[n] != '?' && text[n] != '#')
		n++;
	*is_cut = n < len;
	return (int)n;
}

/* A URL may hold a user name and a password, too. */
static struct http_span
without_user(struct http_span url)
{
	const char *end = url.bytes + url.len;
	const char *slashes = url.bytes != NULL ? memmem(url.bytes, url.len, "//", 2) : NULL;

	if (slashes == NULL)
		return url;
	for (const char *at = slashes + 2; at < end && strchr("/?#", *at) == NULL; at++)
		if (*at == '@')
			url = (struct http_span){at + 1, (size_t)(end - at - 1)};
	return url;
}

const char *
exchange_said(struct exchange *self, const char *defect)
{
	const struct response *response = &self->response;
	struct http_span location = without_user(response->location);
	bool is_cut;

	assert(defect != NULL);
	if (!response->is_http)
		return defect;
	if (!response->is_unlisted) {
		(void)snprintf(self->said, sizeof self->said, "%u: %s", response->status, defect);
	} else if (response->location.bytes == NULL) {
		(void)snprintf(self->said, sizeof self->said, "%u", response->status);
	} else {
		int n = shown(location.bytes, location.len, &is_cut);
		(void)snprintf(self->said, sizeof self->said, "%u to %.*s%s", response->status, n,
		    location.bytes, is_cut ? "..." : "");
	}
	return self->said;
}

void
exchange_said_request(const struct exchange *self, char *text)
{
	const char *line = buffer_bytes(&self->out);
	const char *target = memchr(line, ' ', buffer_size(&self->out));
	bool is_cut;

	assert(target != NULL);
	target++;
	const char *end = memchr(target, ' ', (size_t)(line + buffer_size(&self->out) - target));
	assert(end != NULL);
	int n = shown(target, (size_t)(end - target), &is_cut);
	(void)snprintf(text, EXCHANGE_SAID_MAX, "%.*s%.*s%s", (int)(target - line), line, n, target,
	    is_cut ? "..." : "");
}
