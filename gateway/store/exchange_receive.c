/*
 * Bytes of the answer's body, as they come: those that came with the head first, then from the
 * store. The hard part is to ask the kernel no more often than there can be something.
 */
#include "exchange_private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "upstream.h"

/* Takes body bytes that came with the head. */
static size_t
take_buffered(struct exchange *self, char *bytes, size_t n)
{
	assert(self->scan.head_len <= buffer_size(&self->in));
	size_t buffered = buffer_size(&self->in) - self->scan.head_len;
	size_t taken = buffered < n ? buffered : n;

	if (taken == 0)
		return 0;
	memcpy(bytes, buffer_bytes(&self->in) + self->scan.head_len, taken);
	self->scan.head_len += taken;
	if (self->scan.head_len == buffer_size(&self->in)) {
		buffer_fini(&self->in);
		self->scan.head_len = 0;
	}
	return taken;
}

ssize_t
exchange_receive(struct exchange *self, char *bytes, size_t n)
{
	size_t taken = take_buffered(self, bytes, n);

	if (taken > 0)
		return (ssize_t)taken;
	if (self->drained) { /* its reader is on, and tells of more */
		errno = EAGAIN;
		return -1;
	}
	ssize_t r = upstream_receive(self->connection, bytes, n);
	if (r > 0) {
		self->drained = (size_t)r < n;
		exchange_restart_timer(self);
	}
	return r;
}
