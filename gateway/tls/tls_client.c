/*
 * TLS towards the store. The hard part is that a resumed session runs no verification: what is kept
 * was verified by this very context, and is not offered for long.
 */
#include "tls_client.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "crypto/bundle.h"
#include "crypto/digest.h"
#include "crypto/tls_groups.h"
#include "tls_library.h"
#include "tls_verify.h"

enum {
	SESSION_SECONDS = 3600,
	READ_BUFFER = 72 * 1024, /* bytes of ciphertext for one read(): four full records fit */
	PIN_BASE64 = 44,
};

static const char ciphers[] = "HIGH:!aNULL:!kRSA:!PSK:!SRP";
static const char pin_prefix[] = "sha256//";

struct tls_client {
	unsigned references;
	SSL_CTX *ssl;
	char *pins; /* NULL: any key */
	unsigned char fingerprint[DIGEST_SHA256_BYTES];
};

struct tls_client_peer {
	struct tls_client *client;
	char *name;
	SSL_SESSION *session; /* NULL: none */
	time_t verified_at;   /* the full handshake behind it */
};

/* ---- what it is made of ---- */

/* One digest over the digest of each part, so that no byte can move from one to the next. */
static void
take_fingerprint(
    const struct tls_client_material *material, unsigned char fingerprint[DIGEST_SHA256_BYTES])
{
	const char *pins = material->pins != NULL ? material->pins : "";
	const struct pem all_pins = {.bytes = pins, .len = strlen(pins)};
	const struct pem *parts[] = {
	    &material->ca, &material->certificate, &material->key, &all_pins};
	enum { PARTS = sizeof parts / sizeof parts[0] };
	unsigned char digests[PARTS][DIGEST_SHA256_BYTES];

	for (size_t i = 0; i < PARTS; i++)
		digest_sha256(parts[i]->len > 0 ? parts[i]->bytes : "", parts[i]->len, digests[i]);
	digest_sha256(digests, sizeof digests, fingerprint);
}

bool
tls_client_is_made_of(const struct tls_client *self, const struct tls_client_material *material)
{
	unsigned char fingerprint[DIGEST_SHA256_BYTES];

	take_fingerprint(material, fingerprint);
	return memcmp(fingerprint, self->fingerprint, sizeof fingerprint) == 0;
}

static void
set_error(char error[PEM_ERROR_MAX], const char *file, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	pem_fail(
	    error, file, "%s%s%s", what, reason != NULL ? ": " : "", reason != NULL ? reason : "");
	ERR_clear_error();
}

static bool
load_ca(struct tls_client *self, const struct pem *pem, char error[PEM_ERROR_MAX])
{
	X509_STORE *store = SSL_CTX_get_cert_store(self->ssl);
	STACK_OF(X509) *all = bundle_read_certificates(pem, error);
	bool good = all != NULL;

	for (int i = 0; good && i < sk_X509_num(all); i++)
		good = X509_STORE_add_cert(store, sk_X509_value(all, i)) == 1;
	if (all != NULL && !good)
		set_error(error, pem->name, "a CA of the store cannot be used");
	sk_X509_pop_free(all, X509_free);
	return good;
}

static bool
load_certificate(
    struct tls_client *self, const struct tls_client_material *material, char error[PEM_ERROR_MAX])
{
	const struct pem *pem = &material->certificate;
	STACK_OF(X509) *chain = bundle_read_certificates(pem, error);
	EVP_PKEY *key = pem_read_key_with(&material->key, NULL, tls_library_untrimmed(), error);
	X509 *leaf = chain != NULL ? sk_X509_shift(chain) : NULL;
	bool good = false;

	if (leaf == NULL || key == NULL)
		goto free_all;
	if (X509_cmp_current_time(X509_get0_notAfter(leaf)) <= 0)
		set_error(error, pem->name, "the certificate for the store has expired");
	else if (SSL_CTX_use_cert_and_key(self->ssl, leaf, key, chain, 1) != 1)
		set_error(error, pem->name, "the certificate for the store cannot be used");
	else
		good = true;
free_all:
	EVP_PKEY_free(key);
	X509_free(leaf);
	sk_X509_pop_free(chain, X509_free);
	return good;
}

/* ---- whom it believes ---- */

static bool
is_pinned(const struct tls_client *self, X509 *leaf)
{
	unsigned char digest[DIGEST_SHA256_BYTES], *der = NULL;
	char pin[sizeof pin_prefix + PIN_BASE64];
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der);

	if (len <= 0)
		return false;
	digest_sha256(der, (size_t)len, digest);
	OPENSSL_free(der);
	memcpy(pin, pin_prefix, sizeof pin_prefix - 1);
	EVP_EncodeBlock((unsigned char *)pin + sizeof pin_prefix - 1, digest, DIGEST_SHA256_BYTES);
	return strstr(self->pins, pin) != NULL;
}

/* As SSL_CTX_set_cert_verify_callback(3) wants it. */
static int
on_verify(X509_STORE_CTX *ctx, void *arg)
{
	struct tls_client *self = arg;

	if (X509_verify_cert(ctx) != 1)
		return 0;
	if (self->pins == NULL || is_pinned(self, X509_STORE_CTX_get0_cert(ctx)))
		return 1;
	X509_STORE_CTX_set_error(ctx, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

/* The server sent a session. The callback keeps its reference when it returns 1. */
static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_client_peer *self = SSL_get_app_data(ssl);

	SSL_SESSION_free(self->session);
	self->session = session;
	return 1;
}

static void
set_protocol(struct tls_client *self)
{
	SSL_CTX *ssl = self->ssl;

	SSL_CTX_set_security_level(ssl, TLS_SECURITY_LEVEL);
	if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ssl, ciphers) != 1)
		abort();
	tls_groups_set(ssl);
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_clear_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_LEGACY_SERVER_CONNECT |
	                               SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION |
	                               SSL_OP_ENABLE_KTLS);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ssl, 1);
	SSL_CTX_set_default_read_buffer_len(ssl, READ_BUFFER);
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_verify_depth(ssl, TLS_VERIFY_DEPTH);
	SSL_CTX_set_cert_verify_callback(ssl, on_verify, self);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ssl, on_session);
}

struct tls_client *
tls_client_new(const struct tls_client_material *material, char error[PEM_ERROR_MAX])
{
	struct tls_client *self = buffer_alloc(sizeof *self);

	assert((material->certificate.bytes == NULL) == (material->key.bytes == NULL));
	self->references = 1;
	self->pins = material->pins != NULL ? buffer_strdup(material->pins) : NULL;
	take_fingerprint(material, self->fingerprint);
	self->ssl = SSL_CTX_new(TLS_client_method());
	if (self->ssl == NULL)
		abort();
	ERR_clear_error();
	set_protocol(self);
	if (load_ca(self, &material->ca, error) &&
	    (material->certificate.bytes == NULL || load_certificate(self, material, error)))
		return self;
	tls_client_unref(self);
	return NULL;
}

struct tls_client *
tls_client_ref(struct tls_client *self)
{
	assert(self->references > 0);
	self->references++;
	return self;
}

void
tls_client_unref(struct tls_client *self)
{
	if (self == NULL || --self->references > 0)
		return;
	SSL_CTX_free(self->ssl);
	free(self->pins);
	free(self);
}

/* ---- one server ---- */

struct tls_client_peer *
tls_client_peer_new(struct tls_client *client, const char *name)
{
	struct tls_client_peer *self = buffer_alloc(sizeof *self);

	self->client = tls_client_ref(client);
	self->name = buffer_strdup(name);
	return self;
}

void
tls_client_peer_free(struct tls_client_peer *self)
{
	if (self == NULL)
		return;
	SSL_SESSION_free(self->session);
	tls_client_unref(self->client);
	free(self->name);
	free(self);
}

static void
expect_name(SSL *ssl, char *name)
{
	X509_VERIFY_PARAM *rules = SSL_get0_param(ssl);

	X509_VERIFY_PARAM_set_hostflags(
	    rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (X509_VERIFY_PARAM_set1_ip_asc(rules, name) == 1)
		return; /* which no server_name extension may hold (RFC 6066, 3) */
	ERR_clear_error();
	if (X509_VERIFY_PARAM_set1_host(rules, name, 0) != 1 ||
	    SSL_set_tlsext_host_name(ssl, name) != 1)
		abort();
}

static bool
may_resume(const struct tls_client_peer *self)
{
	time_t now = time(NULL);
	X509 *leaf = self->session != NULL ? SSL_SESSION_get0_peer(self->session) : NULL;

	return leaf != NULL && now >= self->verified_at &&
	       now - self->verified_at < SESSION_SECONDS &&
	       X509_cmp_current_time(X509_get0_notAfter(leaf)) > 0;
}

SSL *
tls_client_peer_connect(struct tls_client_peer *self)
{
	SSL *ssl = SSL_new(self->client->ssl);

	if (ssl == NULL)
		abort();
	SSL_set_app_data(ssl, self);
	expect_name(ssl, self->name);
	if (may_resume(self) && SSL_set_session(ssl, self->session) != 1)
		ERR_clear_error();
	SSL_set_connect_state(ssl);
	return ssl;
}

void
tls_client_peer_connected(struct tls_client_peer *self, SSL *ssl)
{
	if (!SSL_session_reused(ssl))
		self->verified_at = time(NULL);
}

void
tls_client_peer_failed(struct tls_client_peer *self)
{
	SSL_SESSION_free(self->session);
	self->session = NULL;
}
