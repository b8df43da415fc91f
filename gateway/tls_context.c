/*
 * TLS settings of one generation. The hard part is resumption: OpenSSL moves a session's time
 * forward when it renews one, so the time of the full handshake travels inside the session.
 */
#include "tls_context.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../policy/buffer.h"
#include "tls_digest.h"
#include "tls_tickets.h"

enum { SESSIONS_MAX = 20000 };

static const char default_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AESCCM:!aNULL:!eNULL";
static const char high_ciphers[] = "HIGH:!aNULL:!kRSA:!PSK:!SRP";

struct tls_context {
	unsigned references;
	long session_lifetime;
	unsigned char fingerprint[TLS_DIGEST_SHA256_BYTES]; /* of the material */
	SSL_CTX *ssl;
	struct tls_verify *verify;
	struct tls_tickets *tickets;
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
load_certificate(struct tls_context *self, const struct tls_pem *pem, char error[TLS_ERROR_MAX])
{
	STACK_OF(X509) *chain = tls_verify_read_certificates(pem, error);
	bool good = false;

	if (chain == NULL)
		return false;
	X509 *leaf = sk_X509_shift(chain);
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

/* There is nobody to type a passphrase. */
static int
no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	(void)buf, (void)size, (void)rwflag, (void)arg;
	return -1;
}

static bool
load_key(struct tls_context *self, const struct tls_pem *pem, char error[TLS_ERROR_MAX])
{
	BIO *bio = BIO_new_mem_buf(pem->bytes, (int)pem->len);
	EVP_PKEY *key;
	bool good = false;

	if (bio == NULL)
		abort();
	key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	if (key == NULL)
		set_error(error, pem->name, "the private key cannot be read");
	else if (SSL_CTX_use_PrivateKey(self->ssl, key) != 1 ||
	         SSL_CTX_check_private_key(self->ssl) != 1)
		set_error(error, pem->name, "the private key does not match the certificate");
	else
		good = true;
	EVP_PKEY_free(key);
	BIO_free(bio);
	return good;
}

/* RFC 7301, 3.2: no common protocol is a fatal alert. */
static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
    unsigned in_len, void *arg)
{
	static const unsigned char protocol[] = "\x08http/1.1";

	(void)ssl, (void)arg;
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

/* A ticket is about to be made: remember in it when the full handshake was. A session that was
 * resumed carries the time already. */
static int
on_new_ticket(SSL *ssl, void *arg)
{
	SSL_SESSION *session = SSL_get_session(ssl);
	void *known;
	size_t len;

	(void)arg;
	if (SSL_SESSION_get0_ticket_appdata(session, &known, &len) == 1 && len == sizeof(time_t))
		return 1;
	time_t now = time(NULL);
	return SSL_SESSION_set1_ticket_appdata(session, &now, sizeof now);
}

bool
tls_context_session_is_old(const struct tls_context *self, SSL_SESSION *session)
{
	time_t since = (time_t)SSL_SESSION_get_time(session), now = time(NULL);
	void *known;
	size_t len;

	if (SSL_SESSION_get0_ticket_appdata(session, &known, &len) == 1 && len == sizeof since)
		memcpy(&since, known, sizeof since);
	return now < since || now - since >= self->session_lifetime;
}

/* A ticket has been decrypted (SSL_CTX_set_session_ticket_cb(3)). One that is too old, or whose
 * client would not be let in now, is passed over: the full handshake that follows tells the client
 * what is wrong, or gives it a new ticket. */
static SSL_TICKET_RETURN
on_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_len,
    SSL_TICKET_STATUS status, void *arg)
{
	struct tls_context *self = arg;
	struct identity identity;

	(void)ssl, (void)name, (void)name_len;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	X509 *leaf = SSL_SESSION_get0_peer(session);
	if (leaf == NULL || tls_context_session_is_old(self, session) ||
	    tls_verify_certificate(self->verify, leaf, NULL, &identity) != NULL)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
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
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                             SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_clear_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_LEGACY_SERVER_CONNECT |
	                               SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_max_early_data(ssl, 0);
	SSL_CTX_set_num_tickets(ssl, 1);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_SERVER);
	SSL_CTX_sess_set_cache_size(ssl, SESSIONS_MAX);
	SSL_CTX_set_timeout(ssl, options->session_lifetime);
	SSL_CTX_set_session_ticket_cb(ssl, on_new_ticket, on_ticket, self);
	SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
}

/* One digest over the digest of each file, so that no byte can move from one to the next. */
static void
take_fingerprint(
    const struct tls_material *material, unsigned char fingerprint[TLS_DIGEST_SHA256_BYTES])
{
	const struct tls_pem *files[] = {&material->certificate, &material->key,
	    &material->client_ca, &material->crl, &material->ticket_keys};
	enum { FILES = sizeof files / sizeof files[0] };
	unsigned char digests[FILES][TLS_DIGEST_SHA256_BYTES];

	for (size_t i = 0; i < FILES; i++)
		tls_digest_sha256(
		    files[i]->len > 0 ? files[i]->bytes : "", files[i]->len, digests[i]);
	tls_digest_sha256(digests, sizeof digests, fingerprint);
}

bool
tls_context_is_made_of(const struct tls_context *self, const struct tls_material *material)
{
	unsigned char fingerprint[TLS_DIGEST_SHA256_BYTES];

	take_fingerprint(material, fingerprint);
	return memcmp(fingerprint, self->fingerprint, sizeof fingerprint) == 0;
}

struct tls_context *
tls_context_new(const struct tls_material *material, const struct tls_options *options,
    char error[TLS_ERROR_MAX])
{
	struct tls_context *self = buffer_alloc(sizeof *self);

	self->references = 1;
	self->session_lifetime = options->session_lifetime;
	take_fingerprint(material, self->fingerprint);
	self->ssl = SSL_CTX_new(TLS_server_method());
	if (self->ssl == NULL)
		abort();
	ERR_clear_error();
	set_protocol(self, options);
	bind_sessions(self, material);
	if (!load_certificate(self, &material->certificate, error) ||
	    !load_key(self, &material->key, error))
		goto free_self;
	self->verify = tls_verify_new(&material->client_ca, &material->crl, error);
	if (self->verify == NULL)
		goto free_self;
	tls_verify_install(self->verify, self->ssl);
	self->tickets = tls_tickets_new(&material->ticket_keys, error);
	if (self->tickets == NULL)
		goto free_self;
	tls_tickets_install(self->tickets, self->ssl);
	return self;
free_self:
	tls_context_unref(self);
	return NULL;
}

struct tls_context *
tls_context_ref(struct tls_context *self)
{
	self->references++;
	return self;
}

void
tls_context_unref(struct tls_context *self)
{
	if (self == NULL || --self->references > 0)
		return;
	SSL_CTX_free(self->ssl);
	tls_verify_free(self->verify);
	tls_tickets_free(self->tickets);
	free(self);
}

SSL_CTX *
tls_context_ssl(struct tls_context *self)
{
	return self->ssl;
}

struct tls_verify *
tls_context_verify(struct tls_context *self)
{
	return self->verify;
}

time_t
tls_context_crl_expires(const struct tls_context *self)
{
	return tls_verify_crl_expires(self->verify);
}
