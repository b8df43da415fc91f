/*
 * The ciphertext of one stream. The hard part is who owns the memory: libssl reads from and writes
 * to memory only, which the worker's streams share within an event (see tls_wire_settle).
 */
#include "tls_wire.h"

#include <assert.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <openssl/bio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
	NOTSENT_MAX =
	    TLS_PIECE_MAX,    /* as TCP_NOTSENT_LOWAT is set: what a stalled reader may hold */
	SEND_OVERHEAD = 2048, /* what the kernel may count for a send, besides its bytes */
};

static_assert((int)TLS_PIECE_MIN <= (int)TLS_PIECE_MAX && (int)TLS_PIECE_MAX < (int)TLS_WIRE_OUT,
    "what is written between two flushes has its place in the buffer");

struct tls_wire_buffers {
	const struct tls_wire *writer; /* whose bytes are in `out` */
	size_t out_len;
	char in[TLS_WIRE_IN];
	char out[TLS_WIRE_OUT];
};

struct tls_wire_buffers *
tls_wire_buffers_new(void)
{
	return buffer_alloc(sizeof(struct tls_wire_buffers));
}

void
tls_wire_buffers_free(struct tls_wire_buffers *self)
{
	free(self);
}

static int
bio_read(BIO *bio, char *out, int size)
{
	struct tls_wire *self = BIO_get_data(bio);
	assert(self != NULL && size >= 0);
	size_t n = (size_t)size < self->input_len ? (size_t)size : self->input_len;

	BIO_clear_retry_flags(bio);
	if (!self->options.may_read(self->options.arg))
		return -1; /* libssl would go on with the next record by itself */
	assert(n == 0 || self->input != NULL);
	if (n == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(out, self->input, n);
	self->input += n;
	self->input_len -= n;
	return (int)n;
}

static int
bio_write(BIO *bio, const char *bytes, int size)
{
	struct tls_wire *self = BIO_get_data(bio);
	struct tls_wire_buffers *buffers = self->options.buffers;
	size_t n = (size_t)size;

	assert(size >= 0);
	BIO_clear_retry_flags(bio);
	if (self->is_mute)
		return size;
	assert(buffers->writer == NULL || buffers->writer == self);
	buffers->writer = self;
	assert(buffers->out_len <= TLS_WIRE_OUT);
	if (n > TLS_WIRE_OUT - buffers->out_len) {
		buffer_append(&self->pending, buffers->out, buffers->out_len);
		buffers->out_len = 0;
	}
	if (n > TLS_WIRE_OUT) {
		buffer_append(&self->pending, bytes, n);
		return size;
	}
	memcpy(buffers->out + buffers->out_len, bytes, n);
	buffers->out_len += n;
	return size;
}

static long
bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *
bio_method(void)
{
	static BIO_METHOD *method;

	if (method == NULL) {
		method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
		if (method == NULL)
			abort();
		BIO_meth_set_read(method, bio_read);
		BIO_meth_set_write(method, bio_write);
		BIO_meth_set_ctrl(method, bio_ctrl);
	}
	return method;
}

void
tls_wire_init(struct tls_wire *self, const struct tls_wire_options *options, SSL *ssl)
{
	BIO *bio = BIO_new(bio_method());

	assert(options->fd >= 0 && options->buffers != NULL && options->may_read != NULL);
	if (bio == NULL)
		abort();
	*self = (struct tls_wire){.options = *options};
	BIO_set_data(bio, self);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
}

void
tls_wire_fini(struct tls_wire *self)
{
	struct tls_wire_buffers *buffers = self->options.buffers;

	if (buffers->writer == self) {
		buffers->writer = NULL;
		buffers->out_len = 0;
	}
	buffer_fini(&self->held);
	buffer_fini(&self->pending);
}

void
tls_wire_mute(struct tls_wire *self)
{
	self->is_mute = true;
}

void
tls_wire_feed(struct tls_wire *self, const char *bytes, size_t n)
{
	assert(self->input_len == 0 && n > 0);
	buffer_append(&self->held, bytes, n);
	self->input = self->held.data;
	self->input_len = n;
}

enum tls_status
tls_wire_receive(struct tls_wire *self)
{
	if (self->input_len > 0)
		return TLS_OK;
	ssize_t n =
	    recv(self->options.fd, self->options.buffers->in, sizeof self->options.buffers->in, 0);
	if (n == 0)
		return TLS_EOF;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? TLS_WANT_READ : TLS_RESET;
	assert((size_t)n <= sizeof self->options.buffers->in);
	self->input = self->options.buffers->in;
	self->input_len = (size_t)n;
	return TLS_OK;
}

/* Sends N bytes once. Returns how many left, 0 when the socket is full, -1 when it broke. */
static ssize_t
send_once(const struct tls_wire *self, const char *bytes, size_t n)
{
	assert(n > 0);
	ssize_t sent = send(self->options.fd, bytes, n, MSG_NOSIGNAL);
	if (sent >= 0)
		return sent;
	return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -1;
}

enum tls_status
tls_wire_flush(struct tls_wire *self)
{
	struct tls_wire_buffers *buffers = self->options.buffers;
	size_t n = buffers->writer == self ? buffers->out_len : 0;
	ssize_t sent;

	if (buffers->writer == self) {
		buffers->writer = NULL;
		buffers->out_len = 0;
	}
	assert(n <= TLS_WIRE_OUT);
	size_t spent = n + SEND_OVERHEAD;
	if (buffer_size(&self->pending) == 0) {
		if (n == 0)
			return TLS_OK;
		self->room -= spent < self->room ? spent : self->room;
		sent = send_once(self, buffers->out, n);
		if (sent >= 0)
			buffer_append(&self->pending, buffers->out + sent, n - (size_t)sent);
	} else {
		self->room = 0;
		buffer_append(&self->pending, buffers->out, n);
		sent = send_once(self, buffer_bytes(&self->pending), buffer_size(&self->pending));
		if (sent > 0)
			buffer_consume(&self->pending, (size_t)sent);
	}
	assert(buffers->writer != self);
	if (sent < 0)
		return TLS_RESET;
	return buffer_size(&self->pending) == 0 ? TLS_OK : TLS_WANT_WRITE;
}

void
tls_wire_settle(struct tls_wire *self)
{
	bool is_shared = self->input >= self->options.buffers->in &&
	                 self->input <= self->options.buffers->in + TLS_WIRE_IN;

	assert(self->options.buffers->writer != self);
	if (self->input_len == 0) {
		buffer_fini(&self->held);
		self->input = NULL;
	} else if (is_shared) {
		buffer_fini(&self->held);
		buffer_append(&self->held, self->input, self->input_len);
		self->input = buffer_bytes(&self->held);
	}
}

bool
tls_wire_has_pending(const struct tls_wire *self)
{
	return buffer_size(&self->pending) > 0;
}

bool
tls_wire_has_input(const struct tls_wire *self)
{
	return self->input_len > 0;
}

static size_t
ask_for_room(const struct tls_wire *self)
{
	unsigned memory[SK_MEMINFO_VARS];
	socklen_t len = sizeof memory;
	int unsent;

	if (getsockopt(self->options.fd, SOL_SOCKET, SO_MEMINFO, memory, &len) != 0 ||
	    ioctl(self->options.fd, SIOCOUTQNSD, &unsent) != 0 || unsent < 0)
		return TLS_PIECE_MIN;
	size_t used = memory[SK_MEMINFO_WMEM_QUEUED], limit = memory[SK_MEMINFO_SNDBUF];
	/* The kernel counts its own overhead into `used`: leave it a quarter. */
	size_t room = limit > used ? (limit - used) / 4 * 3 : 0;
	size_t notsent_room = (size_t)unsent < NOTSENT_MAX ? NOTSENT_MAX - (size_t)unsent : 0;
	return room < notsent_room ? room : notsent_room;
}

/* The room grows by itself only, as the client takes bytes: what is left of it is there. */
size_t
tls_wire_room(struct tls_wire *self, size_t wanted)
{
	if (self->room < wanted)
		self->room = ask_for_room(self);
	return self->room;
}

size_t
tls_wire_queued(const struct tls_wire *self)
{
	int unacknowledged;

	if (ioctl(self->options.fd, SIOCOUTQ, &unacknowledged) != 0 || unacknowledged < 0)
		unacknowledged = 0;
	return buffer_size(&self->pending) + (size_t)unacknowledged;
}
