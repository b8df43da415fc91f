/*
 * TLS on one socket to the store. The hard part is what libssl has read and nobody has asked for
 * yet: the socket is not readable for it, so has_more() must be.
 */
#include "tls_client_stream.h"

#include <assert.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

enum {
	DEFECT_MAX = 160,
	IDLE_RECORDS_MAX = 1024, /* without application data, in a connection's life */
};

struct tls_client_stream {
	SSL *ssl;
	struct tls_client_peer *peer;
	uint64_t records, reads; /* that came; times that they brought application data */
	bool has_ended;          /* close_notify came */
	bool has_more;
	char defect[DEFECT_MAX];
};

static void
set_defect(struct tls_client_stream *self, const char *text)
{
	if (self->defect[0] == '\0')
		(void)snprintf(self->defect, sizeof self->defect, "TLS: %s", text);
}

/* libssl shows each message and each record's header. It reads on by itself as long as there are
 * records that hold nothing for us (KeyUpdate, RFC 8446, 4.6.3): a server must not be able to keep
 * a worker busy with them, so what it has read is all that it gets. */
static void /* as SSL_CTX_set_msg_callback(3) wants it. NOLINTNEXTLINE(readability-function-size) */
on_message(int written, int version, int type, const void *bytes, size_t len, SSL *ssl, void *arg)
{
	struct tls_client_stream *self = arg;

	(void)version, (void)bytes, (void)len, (void)ssl;
	if (written || type != SSL3_RT_HEADER)
		return;
	self->records++;
	if (self->records <= IDLE_RECORDS_MAX + 2 * self->reads)
		return;
	set_defect(self, "too many records without application data");
	(void)BIO_set_fd(SSL_get_rbio(ssl), -1, BIO_NOCLOSE);
}

struct tls_client_stream *
tls_client_stream_new(struct tls_client_peer *peer, int fd)
{
	struct tls_client_stream *self = buffer_alloc(sizeof *self);

	self->peer = peer;
	self->ssl = tls_client_peer_connect(peer);
	if (SSL_set_fd(self->ssl, fd) != 1)
		abort();
	SSL_set_msg_callback(self->ssl, on_message);
	SSL_set_msg_callback_arg(self->ssl, self);
	return self;
}

void
tls_client_stream_free(struct tls_client_stream *self)
{
	if (self == NULL)
		return;
	ERR_clear_error();
	if (self->defect[0] == '\0' && SSL_is_init_finished(self->ssl)) {
		(void)SSL_shutdown(self->ssl);
		/* Else libssl would take the session for one that must not be resumed. */
		SSL_set_shutdown(self->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	}
	SSL_free(self->ssl);
	ERR_clear_error();
	free(self);
}

static const char *
verify_text(long result)
{
	return result == X509_V_ERR_APPLICATION_VERIFICATION
	           ? "its public key is none of the pins"
	           : X509_verify_cert_error_string(result);
}

/* Why libssl gave up. */
static void
describe(struct tls_client_stream *self, int error, int saved)
{
	unsigned long first = ERR_peek_error();
	const char *reason = ERR_reason_error_string(first);
	long verified = SSL_get_verify_result(self->ssl);

	if (ERR_GET_REASON(first) == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK)
		set_defect(self, verify_text(verified));
	else if (ERR_GET_REASON(first) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		set_defect(self, "connection closed without close_notify");
	else if (error == SSL_ERROR_SYSCALL && saved != 0)
		set_defect(self, strerror(saved));
	else
		set_defect(self, reason != NULL ? reason : "failure");
	ERR_clear_error();
}

/* What the failed call RESULT means. */
static enum tls_status
classify(struct tls_client_stream *self, int result)
{
	int saved = errno, error = SSL_get_error(self->ssl, result);

	switch (error) {
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		self->has_ended = true;
		return TLS_CLOSED;
	default:
		describe(self, error, saved);
		return TLS_REFUSED;
	}
}

enum tls_status
tls_client_stream_handshake(struct tls_client_stream *self)
{
	ERR_clear_error();
	errno = 0;
	int result = SSL_do_handshake(self->ssl);
	if (result == 1 && SSL_get_verify_result(self->ssl) == X509_V_OK) {
		tls_client_peer_connected(self->peer, self->ssl);
		self->has_more = SSL_has_pending(self->ssl) == 1;
		return TLS_OK;
	}
	enum tls_status status = result == 1 ? TLS_REFUSED : classify(self, result);
	if (status == TLS_WANT_READ || status == TLS_WANT_WRITE)
		return status;
	set_defect(self, "the server ended the handshake");
	tls_client_peer_failed(self->peer);
	return TLS_REFUSED;
}

ssize_t
tls_client_stream_receive(struct tls_client_stream *self, char *bytes, size_t n)
{
	size_t got = 0, more;
	enum tls_status status = self->has_ended           ? TLS_CLOSED
	                         : self->defect[0] != '\0' ? TLS_REFUSED
	                                                   : TLS_OK;

	assert(n > 0);
	while (status == TLS_OK && got < n) {
		ERR_clear_error();
		errno = 0;
		int result = SSL_read_ex(self->ssl, bytes + got, n - got, &more);
		if (result != 1) {
			status = classify(self, result);
			continue;
		}
		got += more;
		self->reads++;
	}
	self->has_more = status != TLS_WANT_READ && status != TLS_WANT_WRITE;
	if (got > 0 || status == TLS_CLOSED)
		return (ssize_t)got;
	errno = status == TLS_REFUSED ? ECONNRESET : EAGAIN;
	return -1;
}

ssize_t
tls_client_stream_send(struct tls_client_stream *self, const char *bytes, size_t n)
{
	size_t sent = 0, more;
	enum tls_status status = self->defect[0] != '\0' ? TLS_REFUSED : TLS_OK;

	assert(n > 0);
	while (status == TLS_OK && sent < n) {
		ERR_clear_error();
		errno = 0;
		int result = SSL_write_ex(self->ssl, bytes + sent, n - sent, &more);
		if (result == 1)
			sent += more;
		else
			status = classify(self, result);
	}
	if (sent > 0)
		return (ssize_t)sent;
	errno = status == TLS_WANT_READ || status == TLS_WANT_WRITE ? EAGAIN : EPIPE;
	return -1;
}

bool
tls_client_stream_has_more(const struct tls_client_stream *self)
{
	return self->has_more;
}

bool
tls_client_stream_has_pending(const struct tls_client_stream *self)
{
	return SSL_has_pending(self->ssl) == 1;
}

const char *
tls_client_stream_defect(const struct tls_client_stream *self)
{
	return self->defect;
}
