/*
 * TLS settings of one generation. The hard part is resumption: OpenSSL moves a session's time
 * forward when it renews one, so the time of the full handshake travels inside the session.
 */
#include "tls_context.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "crypto/asn1_seconds.h"
#include "crypto/bundle.h"
#include "crypto/digest.h"
#include "crypto/tls_groups.h"
#include "tls_library.h"
#include "tls_remote_key.h"
#include "tls_sessions.h"
#include "tls_tickets.h"
#include "tls_verified.h"

static const char default_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AESCCM:!aNULL:!eNULL";
static const char high_ciphers[] = "HIGH:!aNULL:!kRSA:!PSK:!SRP";

enum { VERIFIED_MAX = 4096 };

struct tls_context {
	unsigned references;
	struct tls_options options;
	unsigned char fingerprint[DIGEST_SHA256_BYTES]; /* of the material */
	bool has_remote_key;
	SSL_CTX *ssl;
	struct tls_verify *verify;
	struct tls_verified *verified; /* by `verify`, without other certificates */
	struct tls_tickets *tickets;
	struct tls_sessions *sessions;
};

/* Fills ERROR with FILE, WHAT and OpenSSL's reason, and empties OpenSSL's queue. */
static void
set_error(char error[TLS_ERROR_MAX], const char *file, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	(void)snprintf(error, TLS_ERROR_MAX, "%.200s: %.150s%s%.100s", file, what,
	    reason ? ": " : "", reason ? reason : "");
	ERR_clear_error();
}

static bool
load_certificate(struct tls_context *self, const struct pem *pem, char error[TLS_ERROR_MAX])
{
	STACK_OF(X509) *chain = bundle_read_certificates(pem, error);
	bool good = false;

	if (chain == NULL)
		return false;
	X509 *leaf = sk_X509_shift(chain);
	assert(leaf != NULL);
	if (X509_cmp_current_time(X509_get0_notBefore(leaf)) >= 0)
		set_error(error, pem->name, "the server certificate is not valid yet");
	else if (X509_cmp_current_time(X509_get0_notAfter(leaf)) <= 0)
		set_error(error, pem->name, "the server certificate has expired");
	else if (SSL_CTX_use_cert_and_key(self->ssl, leaf, NULL, chain, 1) != 1)
		set_error(error, pem->name, "the server certificate cannot be used");
	else
		good = true;
	X509_free(leaf);
	sk_X509_pop_free(chain, X509_free);
	return good;
}

static bool
load_key(struct tls_context *self, const struct pem *pem, char error[TLS_ERROR_MAX])
{
	EVP_PKEY *key = pem->bytes != NULL
	                    ? pem_read_key_with(pem, NULL, tls_library_untrimmed(), error)
	                    : tls_remote_key_of(SSL_CTX_get0_certificate(self->ssl));
	bool good = key != NULL;

	if (!good && pem->bytes == NULL)
		set_error(error, pem->name, "the server certificate's key is of no known type");
	if (good && (SSL_CTX_use_PrivateKey(self->ssl, key) != 1 ||
	                SSL_CTX_check_private_key(self->ssl) != 1)) {
		set_error(error, pem->name, "the private key does not match the certificate");
		good = false;
	}
	EVP_PKEY_free(key);
	return good;
}

/* RFC 7301, 3.2: no common protocol is a fatal alert. */
static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
    unsigned in_len, void *arg)
{
	static const unsigned char protocol[] = "\x08http/1.1";

	(void)ssl, (void)arg;
	static_assert(sizeof protocol == 1 + 8 + 1, "its length goes before it");
	for (unsigned i = 0; i < in_len; i += 1u + in[i]) {
		if (in[i] == protocol[0] && in_len - i > protocol[0] &&
		    memcmp(in + i, protocol, sizeof protocol - 1) == 0) {
			*out = in + i + 1;
			*out_len = in[i];
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* When the full handshake behind SESSION was, if it carries that. */
static bool
carried_time(SSL_SESSION *session, time_t *since)
{
	void *known;
	size_t len;

	if (SSL_SESSION_get0_ticket_appdata(session, &known, &len) != 1 || len != sizeof *since)
		return false;
	memcpy(since, known, sizeof *since);
	return true;
}

/* A ticket is about to be made: remember in it when the full handshake was, and tell the client
 * what is left. A session that was resumed carries the time already. */
static int
on_new_ticket(SSL *ssl, void *arg)
{
	const struct tls_context *self = arg;
	SSL_SESSION *session = SSL_get_session(ssl);
	time_t since, now = time(NULL);

	assert(session != NULL);
	tls_library_skip_keys(true); /* OpenSSL prints SESSION and parses it before it encrypts */
	if (!carried_time(session, &since))
		return SSL_SESSION_set1_ticket_appdata(session, &now, sizeof now);
	long left = self->options.session_lifetime - (long)(now - since);
	(void)SSL_SESSION_set_timeout(session, left > 0 ? left : 1);
	return 1;
}

static time_t
session_time(const SSL_SESSION *session)
{
#if OPENSSL_VERSION_NUMBER >= 0x30300000L
	return SSL_SESSION_get_time_ex(session);
#else
	return (time_t)SSL_SESSION_get_time(session);
#endif
}

bool
tls_context_session_is_old(const struct tls_context *self, SSL_SESSION *session, time_t began)
{
	time_t since, now = time(NULL);

	if (!carried_time(session, &since))
		since = session_time(session);
	return now < since || began - since >= self->options.session_lifetime;
}

const char *
tls_context_verify_resumed(struct tls_context *self, X509 *leaf, struct identity *identity)
{
	time_t now = time(NULL);

	if (tls_verified_find(self->verified, leaf, now, identity))
		return NULL;
	const char *defect = tls_verify_certificate(self->verify, leaf, NULL, identity);
	if (defect == NULL)
		tls_verified_add(
		    self->verified, leaf, identity, now, tls_verify_good_until(self->verify, leaf));
	return defect;
}

void
tls_context_verified(
    struct tls_context *self, const STACK_OF(X509) * chain, const struct identity *identity)
{
	if (!tls_verify_needs_no_other(self->verify, chain))
		return;
	const X509 *leaf = sk_X509_value(chain, 0);
	tls_verified_add(
	    self->verified, leaf, identity, time(NULL), tls_verify_good_until(self->verify, leaf));
}

/* A ticket has been decrypted (SSL_CTX_set_session_ticket_cb(3)). One that is too old, or whose
 * client would not be let in now, is passed over: the full handshake that follows tells the client
 * what is wrong, or gives it a new ticket. One that is good is renewed in TLS 1.3, where a client
 * should use a ticket once only (RFC 8446, C.4). */
static SSL_TICKET_RETURN
on_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_len,
    SSL_TICKET_STATUS status, void *arg)
{
	struct tls_context *self = arg;
	struct identity identity;

	(void)name, (void)name_len;
	tls_library_skip_keys(false);
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	X509 *leaf = SSL_SESSION_get0_peer(session);
	if (leaf == NULL || tls_context_session_is_old(self, session, time(NULL)) ||
	    tls_context_verify_resumed(self, leaf, &identity) != NULL)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	if (status == SSL_TICKET_SUCCESS_RENEW || SSL_version(ssl) == TLS1_3_VERSION)
		return SSL_TICKET_RETURN_USE_RENEW;
	return SSL_TICKET_RETURN_USE;
}

/* Sessions are good only for the rules they were verified by: the context is a hash of them. */
static void
bind_sessions(struct tls_context *self, const struct tls_material *material)
{
	unsigned char hash[EVP_MAX_MD_SIZE], depth = TLS_VERIFY_DEPTH;
	unsigned len = 0;
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	if (md == NULL || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1 ||
	    EVP_DigestUpdate(md, &depth, 1) != 1 ||
	    EVP_DigestUpdate(md, material->client_ca.bytes, material->client_ca.len) != 1 ||
	    EVP_DigestUpdate(md, "", 1) != 1 ||
	    EVP_DigestUpdate(md, material->crl.bytes, material->crl.len) != 1 ||
	    EVP_DigestFinal_ex(md, hash, &len) != 1)
		abort();
	EVP_MD_CTX_free(md);
	assert(len <= SSL_MAX_SID_CTX_LENGTH);
	SSL_CTX_set_session_id_context(self->ssl, hash, len);
}

static void
set_protocol(struct tls_context *self, const struct tls_options *options)
{
	SSL_CTX *ssl = self->ssl;

	SSL_CTX_set_security_level(ssl, TLS_SECURITY_LEVEL);
	if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ssl, options->high_ciphers ? high_ciphers : default_ciphers) !=
	        1 ||
	    SSL_CTX_set_ciphersuites(ssl,
	        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") != 1)
		abort();
	tls_groups_set(ssl);
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                             SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_clear_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_LEGACY_SERVER_CONNECT |
	                               SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_max_early_data(ssl, 0);
	SSL_CTX_set_num_tickets(ssl, 1);
	SSL_CTX_set_max_cert_list(ssl, (long)options->client_certificates);
	SSL_CTX_set_timeout(ssl, options->session_lifetime);
	SSL_CTX_set_session_ticket_cb(ssl, on_new_ticket, on_ticket, self);
	SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
}

/* One digest over the digest of each file, so that no byte can move from one to the next. */
static void
take_fingerprint(
    const struct tls_material *material, unsigned char fingerprint[DIGEST_SHA256_BYTES])
{
	const struct pem *files[] = {&material->certificate, &material->key, &material->client_ca,
	    &material->crl, &material->ticket_keys};
	enum { FILES = sizeof files / sizeof files[0] };
	unsigned char digests[FILES][DIGEST_SHA256_BYTES];

	for (size_t i = 0; i < FILES; i++)
		digest_sha256(files[i]->len > 0 ? files[i]->bytes : "", files[i]->len, digests[i]);
	digest_sha256(digests, sizeof digests, fingerprint);
}

static bool
has_options(const struct tls_context *self, const struct tls_options *options)
{
	const struct tls_options *own = &self->options;

	return own->high_ciphers == options->high_ciphers &&
	       own->session_lifetime == options->session_lifetime &&
	       own->session_cache == options->session_cache &&
	       own->client_certificates == options->client_certificates &&
	       own->records_without_data == options->records_without_data;
}

bool
tls_context_is_made_of(const struct tls_context *self, const struct tls_material *material,
    const struct tls_options *options)
{
	unsigned char fingerprint[DIGEST_SHA256_BYTES];

	if (!has_options(self, options))
		return false;
	take_fingerprint(material, fingerprint);
	return memcmp(fingerprint, self->fingerprint, sizeof fingerprint) == 0;
}

struct tls_context *
tls_context_new(const struct tls_material *material, const struct tls_options *options,
    char error[TLS_ERROR_MAX])
{
	struct tls_context *self = buffer_alloc(sizeof *self);

	self->references = 1;
	self->options = *options;
	take_fingerprint(material, self->fingerprint);
	self->has_remote_key = material->key.bytes == NULL;
	self->ssl = SSL_CTX_new(TLS_server_method());
	if (self->ssl == NULL)
		abort();
	ERR_clear_error();
	set_protocol(self, options);
	self->sessions = tls_sessions_new(options->session_cache);
	tls_sessions_install(self->sessions, self->ssl);
	bind_sessions(self, material);
	if (!load_certificate(self, &material->certificate, error) ||
	    !load_key(self, &material->key, error))
		goto free_self;
	self->verify = tls_verify_new(&material->client_ca, &material->crl, error);
	if (self->verify == NULL)
		goto free_self;
	self->verified = tls_verified_new(VERIFIED_MAX);
	tls_verify_install(self->verify, self->ssl);
	self->tickets = tls_tickets_new(&material->ticket_keys, error);
	if (self->tickets == NULL)
		goto free_self;
	tls_tickets_install(self->tickets, self->ssl);
	assert(self->references == 1);
	return self;
free_self:
	tls_context_unref(self);
	return NULL;
}

struct tls_context *
tls_context_ref(struct tls_context *self)
{
	assert(self->references > 0);
	self->references++;
	return self;
}

void
tls_context_unref(struct tls_context *self)
{
	if (self == NULL)
		return;
	assert(self->references > 0);
	if (--self->references > 0)
		return;
	SSL_CTX_free(self->ssl);
	tls_sessions_free(self->sessions);
	tls_verified_free(self->verified);
	tls_verify_free(self->verify);
	tls_tickets_free(self->tickets);
	free(self);
}

SSL_CTX *
tls_context_ssl(struct tls_context *self)
{
	assert(self->references > 0 && self->ssl != NULL);
	return self->ssl;
}

void
tls_context_forget_session(struct tls_context *self, const SSL_SESSION *session)
{
	tls_sessions_forget(self->sessions, session);
}

void
tls_context_retire(struct tls_context *self)
{
	tls_sessions_retire(self->sessions);
}

unsigned
tls_context_records_without_data(const struct tls_context *self)
{
	return self->options.records_without_data;
}

bool
tls_context_has_remote_key(const struct tls_context *self)
{
	return self->has_remote_key;
}

struct tls_verify *
tls_context_verify(struct tls_context *self)
{
	assert(self->references > 0 && self->verify != NULL);
	return self->verify;
}

time_t
tls_context_crl_expires(const struct tls_context *self)
{
	const struct tls_crl *crl = tls_verify_crl(self->verify);

	return crl != NULL ? tls_crl_expires(crl) : 0;
}

time_t
tls_context_certificate_expires(const struct tls_context *self)
{
	STACK_OF(X509) *chain = NULL;
	time_t first = asn1_seconds(X509_get0_notAfter(SSL_CTX_get0_certificate(self->ssl)));

	(void)SSL_CTX_get0_chain_certs(self->ssl, &chain);
	for (int i = 0; i < sk_X509_num(chain); i++) {
		time_t end = asn1_seconds(X509_get0_notAfter(sk_X509_value(chain, i)));
		first = end < first ? end : first;
	}
	return first;
}

time_t
tls_context_client_ca_expires(const struct tls_context *self)
{
	return tls_verify_cas_expire(self->verify);
}
