/*
 * A body whose length the store does not say: it is chunked, or ends with its connection. A
 * catalogue knows how long it is, and the client has been told. The hard part is the end: a body
 * that is longer, or whose framing is broken, must not look whole, so its last byte is held back
 * until the end has been seen.
 */
#include "exchange_private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "upstream.h"

/* Takes the content out of what came. */
static const char *
decode(struct exchange *self, char *bytes, size_t len, size_t *content)
{
	size_t used;

	*content = len;
	if (self->response.framing == RESPONSE_BY_CLOSE)
		return NULL;
	enum chunked_result result = chunked_decode(&self->chunked, bytes, len, content, &used);
	if (result == CHUNKED_BROKEN)
		return self->chunked.defect;
	self->has_ended = result == CHUNKED_END;
	if (used < len) /* more than the answer: its connection is in doubt */
		self->response.keeps_alive = false;
	return NULL;
}

/* Appends content to *LEN bytes, until there is some, the end, or nothing to be had now. NULL, or
 * why the body cannot be had. *WAITS: it has to be waited for. */
static const char *
gather(struct exchange *self, char *bytes, size_t room, size_t *len, bool *waits)
{
	size_t before = *len, content;

	*waits = false;
	while (!self->has_ended && *len == before) {
		ssize_t r = exchange_receive(self, bytes + *len, room - *len);
		*waits = r < 0 && (errno == EAGAIN || errno == EINTR);
		if (*waits)
			return NULL;
		if (r < 0)
			return upstream_why(self->connection, r, errno);
		if (r == 0 && self->response.framing == RESPONSE_CHUNKED)
			return "connection closed before the last chunk";
		self->has_ended = r == 0;
		if (r == 0)
			return NULL;
		const char *defect = decode(self, bytes + *len, (size_t)r, &content);
		if (defect != NULL)
			return defect;
		*len += content;
	}
	return NULL;
}

/* NULL while LEN bytes can be what is left of the body. */
static const char *
judge_length(struct exchange *self, size_t len)
{
	bool is_short = self->has_ended && len < self->remaining;

	if (len <= self->remaining && !is_short)
		return NULL;
	/* What ends with the connection may have been cut; else it is another artifact. */
	self->is_other_length = !is_short || self->response.framing == RESPONSE_CHUNKED;
	return is_short ? "fewer bytes came than the catalogue says"
	                : "more bytes came than the catalogue says";
}

enum exchange_status
exchange_unframed_read(
    struct exchange *self, char *bytes, size_t n, size_t *taken, const char **why)
{
	size_t len = 0;
	bool waits;

	assert(self->remaining > 0 && n > 0);
	if (self->has_held)
		bytes[len++] = self->held;
	self->has_held = false;
	*why = gather(self, bytes, n + 1, &len, &waits);
	if (*why == NULL)
		*why = judge_length(self, len);
	if (*why != NULL)
		return EXCHANGE_CUT;
	bool is_last = len == self->remaining;
	if (len > n || (is_last && !self->has_ended)) {
		self->held = bytes[--len];
		self->has_held = true;
	}
	*taken = len;
	return len > 0 ? EXCHANGE_OK : EXCHANGE_WAIT;
}
