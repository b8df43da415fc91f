/*
 * TLS on one client socket. The hard part is what a client may make us do for nothing: full
 * handshakes, and records without data, are counted before libssl works on them.
 */
#include "tls_stream.h"

#include <assert.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "crypto/asn1_seconds.h"
#include "crypto/tls_groups.h"
#include "tls_library.h"
#include "tls_pause.h"

enum { DEFECT_MAX = 160 };

struct tls_stream {
	SSL *ssl;
	struct tls_context *context;
	struct tls_wire wire;
	tls_admit_fn *admit; /* NULL once it was asked */
	tls_signed_fn *on_signed;
	void *arg;
	struct tls_pause *handshake; /* a step that waits for a signature; NULL: none does */
	time_t began;                /* the handshake, at the earliest */
	uint64_t records;            /* that came since the handshake began, or since it ended */
	uint64_t data_records;       /* those of them that brought application data */
	uint64_t last_record;        /* `records` when data was last read */
	uint64_t bytes;              /* of application data, both ways */
	struct identity identity;
	struct tls_context *judge; /* whose rules filled it in last */
	char defect[DEFECT_MAX];
};

static void
set_defect(struct tls_stream *self, const char *text)
{
	if (self->defect[0] == '\0')
		(void)snprintf(self->defect, sizeof self->defect, "%s", text);
}

/* More records without application data than the client has a right to; see tls_stream_read(). */
static bool
is_flooded(const struct tls_stream *self)
{
	if (!SSL_is_init_finished(self->ssl))
		return self->records > TLS_HANDSHAKE_RECORDS_MAX;
	assert(self->data_records <= self->records);
	return self->records - self->data_records >
	       tls_context_records_without_data(self->context) + self->bytes / TLS_BYTES_PER_RECORD;
}

/* libssl wants more of what the client sends. */
static bool
may_read(void *arg)
{
	struct tls_stream *self = arg;

	if (!is_flooded(self))
		return true;
	set_defect(self, "too many TLS records without application data");
	return false;
}

/* Called for each certificate of the chain, leaf last. The identity profile is applied here, so
 * that a certificate outside it fails in the handshake. */
static int
on_verify(int good, X509_STORE_CTX *ctx)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_stream *self = SSL_get_app_data(ssl);
	assert(self != NULL && self->ssl == ssl);
	const char *defect =
	    tls_verify_judge(tls_context_verify(self->context), good != 0, ctx, &self->identity);

	if (defect != NULL)
		set_defect(self, defect);
	return defect == NULL;
}

/* libssl shows each message and each record's header. */
static void /* as SSL_CTX_set_msg_callback(3) wants it. NOLINTNEXTLINE(readability-function-size) */
on_message(int written, int version, int type, const void *bytes, size_t len, SSL *ssl, void *arg)
{
	struct tls_stream *self = arg;

	(void)version, (void)bytes, (void)len, (void)ssl;
	if (!written && type == SSL3_RT_HEADER)
		self->records++;
}

/* libssl is about to choose our certificate (SSL_CTX_set_cert_cb(3)), as it does when there is no
 * session to resume; after a HelloRetryRequest once more. */
static int
on_full_handshake(SSL *ssl, void *arg)
{
	struct tls_stream *self = arg;
	tls_admit_fn *admit = self->admit;

	assert(self->ssl == ssl);
	self->admit = NULL;
	if (admit == NULL || admit(self->arg))
		return 1;
	set_defect(self, "too many handshakes");
	return 0;
}

struct tls_stream *
tls_stream_new(struct tls_context *context, struct tls_wire_buffers *buffers, int fd,
    tls_admit_fn *admit, tls_signed_fn *on_signed, void *arg)
{
	struct tls_stream *self = buffer_alloc(sizeof *self);

	self->context = tls_context_ref(context);
	self->judge = tls_context_ref(context);
	self->began = time(NULL);
	self->identity.issuer = "";
	self->admit = admit;
	self->on_signed = on_signed;
	self->arg = arg;
	self->ssl = SSL_new(tls_context_ssl(context));
	if (self->ssl == NULL)
		abort();
	tls_wire_init(&self->wire,
	    &(struct tls_wire_options){
	        .buffers = buffers, .fd = fd, .may_read = may_read, .arg = self},
	    self->ssl);
	SSL_set_app_data(self->ssl, self);
	SSL_set_verify(self->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_verify);
	SSL_set_cert_cb(self->ssl, on_full_handshake, self);
	SSL_set_msg_callback(self->ssl, on_message);
	SSL_set_msg_callback_arg(self->ssl, self);
	SSL_set_accept_state(self->ssl);
	return self;
}

void
tls_stream_free(struct tls_stream *self)
{
	if (self == NULL)
		return;
	tls_wire_mute(&self->wire);
	tls_pause_cancel(self->handshake);
	self->handshake = NULL;
	/* Many clients close without close_notify; unless something was wrong, their session may
	 * be resumed all the same (RFC 5246, 7.2.1), which SSL_free() would prevent. */
	if (self->defect[0] == '\0' && SSL_is_init_finished(self->ssl))
		SSL_set_shutdown(self->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(self->ssl);
	tls_context_unref(self->judge);
	tls_context_unref(self->context);
	tls_wire_fini(&self->wire);
	free(self);
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
	const char *defect = "there is no client certificate";

	if (leaf != NULL) {
		defect = tls_verify_certificate(tls_context_verify(context), leaf,
		    SSL_get_peer_cert_chain(self->ssl), &self->identity);
		struct tls_context *before = self->judge;
		self->judge = tls_context_ref(context);
		tls_context_unref(before);
	}
	if (defect != NULL)
		set_defect(self, defect);
	assert(defect != NULL || self->identity.subject[0] != '\0');
	return defect;
}

time_t
tls_stream_certificate_ends(const struct tls_stream *self)
{
	STACK_OF(X509) *chain = SSL_get0_verified_chain(self->ssl); /* NULL: resumed */
	assert(self->identity.subject[0] != '\0');
	time_t first = asn1_seconds(X509_get0_notAfter(SSL_get0_peer_certificate(self->ssl)));

	assert(sk_X509_num(chain) != 0);
	for (int i = 0; i < sk_X509_num(chain); i++) {
		time_t end = asn1_seconds(X509_get0_notAfter(sk_X509_value(chain, i)));
		if (end < first)
			first = end;
	}
	return first;
}

static const char *
verify_resumed(struct tls_stream *self)
{
	X509 *leaf = SSL_get0_peer_certificate(self->ssl);

	if (tls_context_session_is_old(self->context, SSL_get_session(self->ssl), self->began))
		return "the resumed session is too old";
	if (leaf == NULL)
		return "there is no client certificate";
	return tls_context_verify_resumed(self->context, leaf, &self->identity);
}

static int
do_handshake(void *arg)
{
	struct tls_stream *self = arg;

	return SSL_do_handshake(self->ssl);
}

static void
on_signature(void *arg)
{
	struct tls_stream *self = arg;

	self->on_signed(self->arg);
}

/* Goes on with the handshake. False: it waits for a signature. */
static bool
step_handshake(struct tls_stream *self, int *result)
{
	bool has_ended = true;

	ERR_clear_error();
	if (!tls_context_has_remote_key(self->context)) {
		*result = do_handshake(self);
	} else {
		if (self->handshake == NULL)
			self->handshake = tls_pause_new(do_handshake, on_signature, self);
		has_ended = tls_pause_run(self->handshake, result);
		if (has_ended)
			self->handshake = NULL;
	}
	tls_library_skip_keys(false); /* in case that OpenSSL gave up within a ticket */
	return has_ended;
}

enum tls_status
tls_stream_handshake(struct tls_stream *self)
{
	const char *defect = NULL;
	int result;

	if (!step_handshake(self, &result))
		return TLS_WANT_SIGNATURE;
	if (result != 1)
		return classify(self, result);
	if (SSL_session_reused(self->ssl)) {
		defect = verify_resumed(self);
	} else if (SSL_get_verify_result(self->ssl) != X509_V_OK ||
	           self->identity.subject[0] == '\0') {
		defect = "the client certificate was not verified";
	} else {
		tls_context_verified(
		    self->context, SSL_get0_verified_chain(self->ssl), &self->identity);
	}
	self->records = 0;
	if (defect == NULL)
		return TLS_OK;
	set_defect(self, defect);
	tls_context_forget_session(self->context, SSL_get_session(self->ssl));
	return TLS_REFUSED;
}

enum tls_status
tls_stream_read(struct tls_stream *self, void *bytes, size_t n, size_t *got)
{
	assert(n > 0);
	*got = 0;
	ERR_clear_error();
	int result = SSL_read_ex(self->ssl, bytes, n, got);
	if (result != 1)
		return classify(self, result);
	assert(*got > 0 && *got <= n);
	if (self->records != self->last_record)
		self->data_records++;
	self->last_record = self->records;
	self->bytes += *got;
	return TLS_OK;
}

bool
tls_stream_write(struct tls_stream *self, const void *bytes, size_t n)
{
	size_t written;

	assert(n <= TLS_PIECE_MAX);
	if (n == 0)
		return true;
	ERR_clear_error();
	int result = SSL_write_ex(self->ssl, bytes, n, &written);
	if (result == 1) {
		assert(written == n);
		self->bytes += n;
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

/* ---- its ciphertext ---- */

void
tls_stream_feed(struct tls_stream *self, const char *bytes, size_t n)
{
	tls_wire_feed(&self->wire, bytes, n);
}

enum tls_status
tls_stream_receive(struct tls_stream *self)
{
	return tls_wire_receive(&self->wire);
}

enum tls_status
tls_stream_flush(struct tls_stream *self)
{
	return tls_wire_flush(&self->wire);
}

void
tls_stream_settle(struct tls_stream *self)
{
	tls_wire_settle(&self->wire);
}

bool
tls_stream_is_held_up(const struct tls_stream *self)
{
	return self->handshake != NULL && tls_wire_has_input(&self->wire);
}

bool
tls_stream_has_pending(const struct tls_stream *self)
{
	return tls_wire_has_pending(&self->wire);
}

size_t
tls_stream_room(struct tls_stream *self, size_t wanted)
{
	return tls_wire_room(&self->wire, wanted);
}

size_t
tls_stream_queued(const struct tls_stream *self)
{
	return tls_wire_queued(&self->wire);
}

/* ---- what is known of it ---- */

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

bool
tls_stream_is_flooding(const struct tls_stream *self)
{
	return is_flooded(self);
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

const char *
tls_stream_group(const struct tls_stream *self)
{
	return tls_groups_name(self->ssl);
}

bool
tls_stream_is_resumed(const struct tls_stream *self)
{
	return SSL_session_reused(self->ssl) == 1;
}
