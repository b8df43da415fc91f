/* The shared parts of the benchmarks' TLS clients. Nothing hard: what goes wrong ends the program.
 */
#include "bench_client.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int64_t
bench_nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * BENCH_SECOND + now.tv_nsec;
}

void
bench_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)fprintf(stderr, "%s: ", program_invocation_short_name);
	(void)vfprintf(stderr, format, args);
	(void)fputc('\n', stderr);
	va_end(args);
	exit(EXIT_FAILURE);
}

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	struct bench_identity *identity = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	SSL_SESSION_free(identity->session);
	identity->session = session;
	return 1;
}

static void
keep_sessions(SSL_CTX *context, bool wanted)
{
	if (!wanted) {
		SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
		return;
	}
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, on_session);
}

static void
add(struct bench_identities *self, X509 *certificate, EVP_PKEY *key, X509_STORE *store)
{
	struct bench_identity *identity = &self->all[self->count++];
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	identity->context = context;
	if (context == NULL || SSL_CTX_use_certificate(context, certificate) != 1 ||
	    SSL_CTX_use_PrivateKey(context, key) != 1 ||
	    SSL_CTX_set_min_proto_version(context, self->version) != 1 ||
	    SSL_CTX_set_max_proto_version(context, self->version) != 1)
		bench_fail("a certificate cannot be used");
	if (self->suite != NULL &&
	    (self->version == TLS1_2_VERSION ? SSL_CTX_set_cipher_list(context, self->suite)
	                                     : SSL_CTX_set_ciphersuites(context, self->suite)) != 1)
		bench_fail("there is no suite %s", self->suite);
	SSL_CTX_set1_cert_store(context, store);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
	                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
	                              SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_app_data(context, identity);
	keep_sessions(context, self->keeps_sessions);
}

void
bench_identities_read(struct bench_identities *self)
{
	BIO *certificates = BIO_new_file(self->certificates, "r"),
	    *key = BIO_new_file(self->key, "r");
	X509_STORE *store = X509_STORE_new();
	X509 *certificate;

	if (certificates == NULL || key == NULL || X509_STORE_load_file(store, self->ca) != 1)
		bench_fail("a file of certificates or keys cannot be read");
	EVP_PKEY *private = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
	while (self->count < BENCH_IDENTITIES_MAX &&
	       (certificate = PEM_read_bio_X509(certificates, NULL, NULL, NULL)) != NULL) {
		add(self, certificate, private, store);
		X509_free(certificate);
	}
	ERR_clear_error();
	if (self->count == 0)
		bench_fail("there is no certificate in %s", self->certificates);
	EVP_PKEY_free(private);
	X509_STORE_free(store);
	BIO_free(certificates);
	BIO_free(key);
}
