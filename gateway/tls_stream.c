/*
 * TLS on one client socket. The hard part is the BIO: libssl reads from and writes to memory
 * only, and who owns that memory changes between events (see tls_stream_settle).
 */
#include "tls_stream.h"

#include <assert.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "../policy/buffer.h"

enum {
	NOTSENT_MAX =
	    TLS_PIECE_MAX, /* as TCP_NOTSENT_LOWAT is set: what a stalled reader may hold */
	DEFECT_MAX = 160,
};

struct tls_io {
	const struct tls_stream *writer; /* whose bytes are in `out` */
	size_t out_len;
	char in[TLS_IO_IN];
	char out[TLS_IO_OUT];
};

struct tls_stream {
	SSL *ssl;
	struct tls_context *context;
	struct tls_io *io;
	int fd;
	const char *input; /* ciphertext libssl has not read: in io->in or in `held` */
	size_t input_len;
	struct buffer held;    /* input kept between events */
	struct buffer pending; /* output the socket did not take */
	struct identity identity;
	char defect[DEFECT_MAX];
};

struct tls_io *
tls_io_new(void)
{
	return buffer_alloc(sizeof(struct tls_io));
}

void
tls_io_free(struct tls_io *self)
{
	free(self);
}

static int
bio_read(BIO *bio, char *out, int size)
{
	struct tls_stream *self = BIO_get_data(bio);
	size_t n = (size_t)size < self->input_len ? (size_t)size : self->input_len;

	BIO_clear_retry_flags(bio);
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
	struct tls_stream *self = BIO_get_data(bio);
	struct tls_io *io = self->io;
	size_t n = (size_t)size;

	BIO_clear_retry_flags(bio);
	assert(io->writer == NULL || io->writer == self);
	io->writer = self;
	if (n > TLS_IO_OUT - io->out_len) {
		buffer_append(&self->pending, io->out, io->out_len);
		io->out_len = 0;
	}
	if (n > TLS_IO_OUT) {
		buffer_append(&self->pending, bytes, n);
		return size;
	}
	memcpy(io->out + io->out_len, bytes, n);
	io->out_len += n;
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

static void
set_defect(struct tls_stream *self, const char *text)
{
	if (self->defect[0] == '\0')
		(void)snprintf(self->defect, sizeof self->defect, "%s", text);
}

/* Called for each certificate of the chain, leaf last. The identity profile is applied here, so
 * that a certificate outside it fails in the handshake. */
static int
on_verify(int ok, X509_STORE_CTX *ctx)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_stream *self = SSL_get_app_data(ssl);
	const char *defect = NULL;

	if (X509_STORE_CTX_get0_cert(ctx) != NULL &&
	    (!ok || X509_STORE_CTX_get_error_depth(ctx) == 0))
		defect = identity_of(X509_STORE_CTX_get0_cert(ctx), &self->identity);
	if (!ok) {
		set_defect(self, X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
		return 0;
	}
	if (defect != NULL) {
		set_defect(self, defect);
		X509_STORE_CTX_set_error(ctx, X509_V_ERR_APPLICATION_VERIFICATION);
		return 0;
	}
	return 1;
}

struct tls_stream *
tls_stream_new(struct tls_context *context, struct tls_io *io, int fd)
{
	struct tls_stream *self = buffer_alloc(sizeof *self);
	BIO *bio = BIO_new(bio_method());

	self->context = tls_context_ref(context);
	self->io = io;
	self->fd = fd;
	self->ssl = SSL_new(tls_context_ssl(context));
	if (self->ssl == NULL || bio == NULL)
		abort();
	BIO_set_data(bio, self);
	BIO_set_init(bio, 1);
	SSL_set_bio(self->ssl, bio, bio);
	SSL_set_app_data(self->ssl, self);
	SSL_set_verify(self->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_verify);
	SSL_set_accept_state(self->ssl);
	return self;
}

void
tls_stream_free(struct tls_stream *self)
{
	if (self == NULL)
		return;
	if (self->io->writer == self) {
		self->io->writer = NULL;
		self->io->out_len = 0;
	}
	/* Many clients close without close_notify; unless something was wrong, their session may
	 * be resumed all the same (RFC 5246, 7.2.1), which SSL_free() would prevent. */
	if (self->defect[0] == '\0' && SSL_is_init_finished(self->ssl))
		SSL_set_shutdown(self->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(self->ssl);
	tls_context_unref(self->context);
	buffer_fini(&self->held);
	buffer_fini(&self->pending);
	free(self);
}

void
tls_stream_feed(struct tls_stream *self, const char *bytes, size_t n)
{
	assert(self->input_len == 0);
	buffer_append(&self->held, bytes, n);
	self->input = self->held.data;
	self->input_len = n;
}

enum tls_status
tls_stream_receive(struct tls_stream *self)
{
	if (self->input_len > 0)
		return TLS_OK;
	ssize_t n = recv(self->fd, self->io->in, sizeof self->io->in, 0);
	if (n == 0)
		return TLS_EOF;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? TLS_WANT_READ : TLS_RESET;
	self->input = self->io->in;
	self->input_len = (size_t)n;
	return TLS_OK;
}

/* What the failed call RESULT means. */
static enum tls_status
classify(struct tls_stream *self, int result)
{
	switch (SSL_get_error(self->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_CLOSED;
	default:
		break;
	}
	const char *reason = ERR_reason_error_string(ERR_peek_error());
	set_defect(self, reason != NULL ? reason : "TLS failure");
	ERR_clear_error();
	return TLS_REFUSED;
}

const char *
tls_stream_verify_again(struct tls_stream *self, struct tls_context *context)
{
	X509 *leaf = SSL_get0_peer_certificate(self->ssl);

	if (leaf == NULL)
		return "there is no client certificate";
	return tls_verify_certificate(
	    tls_context_verify(context), leaf, SSL_get_peer_cert_chain(self->ssl), &self->identity);
}

static time_t
end_of(const X509 *certificate)
{
	struct tm end;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1)
		return 0; /* verified, so it cannot be; and if it were, it would be over */
	return timegm(&end);
}

time_t
tls_stream_certificate_ends(const struct tls_stream *self)
{
	STACK_OF(X509) *chain = SSL_get0_verified_chain(self->ssl); /* NULL: resumed */
	time_t first = end_of(SSL_get0_peer_certificate(self->ssl));

	for (int i = 0; i < sk_X509_num(chain); i++) {
		time_t end = end_of(sk_X509_value(chain, i));
		if (end < first)
			first = end;
	}
	return first;
}

enum tls_status
tls_stream_handshake(struct tls_stream *self)
{
	const char *defect = NULL;

	ERR_clear_error();
	int result = SSL_do_handshake(self->ssl);
	if (result != 1)
		return classify(self, result);
	if (SSL_session_reused(self->ssl)) {
		if (tls_context_session_is_old(self->context, SSL_get_session(self->ssl)))
			defect = "the resumed session is too old";
		else
			defect = tls_stream_verify_again(self, self->context);
	} else if (SSL_get_verify_result(self->ssl) != X509_V_OK ||
	           self->identity.subject[0] == '\0') {
		defect = "the client certificate was not verified";
	}
	if (defect == NULL)
		return TLS_OK;
	set_defect(self, defect);
	SSL_CTX_remove_session(tls_context_ssl(self->context), SSL_get_session(self->ssl));
	return TLS_REFUSED;
}

enum tls_status
tls_stream_read(struct tls_stream *self, void *bytes, size_t n, size_t *got)
{
	*got = 0;
	ERR_clear_error();
	int result = SSL_read_ex(self->ssl, bytes, n, got);
	return result == 1 ? TLS_OK : classify(self, result);
}

bool
tls_stream_write(struct tls_stream *self, const void *bytes, size_t n)
{
	size_t written;

	if (n == 0)
		return true;
	ERR_clear_error();
	int result = SSL_write_ex(self->ssl, bytes, n, &written);
	if (result == 1) {
		assert(written == n);
		return true;
	}
	(void)classify(self, result);
	return false;
}

void
tls_stream_shutdown(struct tls_stream *self)
{
	ERR_clear_error();
	if (SSL_is_init_finished(self->ssl))
		(void)SSL_shutdown(self->ssl);
	ERR_clear_error();
}

/* Sends N bytes once. Returns how many left, 0 when the socket is full, -1 when it broke. */
static ssize_t
send_once(const struct tls_stream *self, const char *bytes, size_t n)
{
	ssize_t sent = send(self->fd, bytes, n, MSG_NOSIGNAL);
	if (sent >= 0)
		return sent;
	return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -1;
}

enum tls_status
tls_stream_flush(struct tls_stream *self)
{
	struct tls_io *io = self->io;
	size_t n = io->writer == self ? io->out_len : 0;
	ssize_t sent;

	if (io->writer == self) {
		io->writer = NULL;
		io->out_len = 0;
	}
	if (buffer_size(&self->pending) == 0) {
		if (n == 0)
			return TLS_OK;
		sent = send_once(self, io->out, n);
		if (sent >= 0)
			buffer_append(&self->pending, io->out + sent, n - (size_t)sent);
	} else {
		buffer_append(&self->pending, io->out, n);
		sent = send_once(self, buffer_bytes(&self->pending), buffer_size(&self->pending));
		if (sent > 0)
			buffer_consume(&self->pending, (size_t)sent);
	}
	if (sent < 0)
		return TLS_RESET;
	return buffer_size(&self->pending) == 0 ? TLS_OK : TLS_WANT_WRITE;
}

void
tls_stream_settle(struct tls_stream *self)
{
	bool in_io = self->input >= self->io->in && self->input <= self->io->in + TLS_IO_IN;

	assert(self->io->writer != self);
	if (self->input_len == 0) {
		buffer_fini(&self->held);
		self->input = NULL;
	} else if (in_io) {
		buffer_fini(&self->held);
		buffer_append(&self->held, self->input, self->input_len);
		self->input = buffer_bytes(&self->held);
	}
}

bool
tls_stream_has_input(const struct tls_stream *self)
{
	return self->input_len > 0 || SSL_has_pending(self->ssl);
}

bool
tls_stream_has_pending(const struct tls_stream *self)
{
	return buffer_size(&self->pending) > 0;
}

size_t
tls_stream_room(const struct tls_stream *self)
{
	unsigned memory[SK_MEMINFO_VARS];
	socklen_t len = sizeof memory;
	int unsent;

	if (getsockopt(self->fd, SOL_SOCKET, SO_MEMINFO, memory, &len) != 0 ||
	    ioctl(self->fd, SIOCOUTQNSD, &unsent) != 0 || unsent < 0)
		return TLS_PIECE_MIN;
	size_t used = memory[SK_MEMINFO_WMEM_QUEUED], limit = memory[SK_MEMINFO_SNDBUF];
	/* The kernel counts its own overhead into `used`: leave it a quarter. */
	size_t room = limit > used ? (limit - used) / 4 * 3 : 0;
	size_t notsent_room = (size_t)unsent < NOTSENT_MAX ? NOTSENT_MAX - (size_t)unsent : 0;
	return room < notsent_room ? room : notsent_room;
}

size_t
tls_stream_queued(const struct tls_stream *self)
{
	int unacknowledged;

	if (ioctl(self->fd, SIOCOUTQ, &unacknowledged) != 0 || unacknowledged < 0)
		unacknowledged = 0;
	return buffer_size(&self->pending) + (size_t)unacknowledged;
}

const struct identity *
tls_stream_identity(const struct tls_stream *self)
{
	return &self->identity;
}

const struct tls_context *
tls_stream_context(const struct tls_stream *self)
{
	return self->context;
}

const char *
tls_stream_defect(const struct tls_stream *self)
{
	return self->defect;
}

const char *
tls_stream_version(const struct tls_stream *self)
{
	return SSL_get_version(self->ssl);
}

const char *
tls_stream_cipher(const struct tls_stream *self)
{
	const char *name = SSL_get_cipher_name(self->ssl);
	return name != NULL ? name : "";
}

bool
tls_stream_is_resumed(const struct tls_stream *self)
{
	return SSL_session_reused(self->ssl) == 1;
}
