/*
 * libcurl's TLS settings, all in one place.
 *
 * The hard part is the client certificate that the server refuses. In TLS 1.3 the handshake is
 * over by then, so that libcurl sees a connection that breaks while it waits for the answer, as if
 * the network were bad. The alert tells the truth: it is caught where OpenSSL reports it.
 */
#include "trust.h"

#include <assert.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "client/common/file.h"
#include "client/common/revocation.h"
#include "client/common/signed_time.h"
#include "credentials.h"
#include "crypto/bundle.h"
#include "crypto/tls_groups.h"
#include "expiry.h"

/* ECDHE and AEAD only, whatever openssl.cnf says. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2"

enum {
	CONNECT_SECONDS = 15,
	CA_MAX_BYTES = 1024 * 1024,
};

struct trust {
	const struct config *config;
	struct credentials *credentials;
	X509_STORE *store; /* the CAs and, with `crl`, their revocation lists */
	int alert;         /* the fatal alert that the server sent last; 0 when it sent none */
	long verdict;      /* why we sent one: X509_V_ERR_...; X509_V_OK when that is not known */
};

static X509_STORE *
store_of(const STACK_OF(X509) * cas)
{
	X509_STORE *store = X509_STORE_new();

	if (store == NULL)
		abort();
	for (int i = 0; i < sk_X509_num(cas); i++)
		if (X509_STORE_add_cert(store, sk_X509_value(cas, i)) != 1)
			abort();
	return store;
}

/* Each CA in the chain of a server must have a list, and none may name what it has issued there. */
static X509_STORE *
store_with_lists(const struct crl_set *set)
{
	X509_STORE *store = store_of(crl_set_cas(set));
	const STACK_OF(X509_CRL) *lists = crl_set_lists(set);

	for (int i = 0; i < sk_X509_CRL_num(lists); i++)
		if (X509_STORE_add_crl(store, sk_X509_CRL_value(lists, i)) != 1)
			abort();
	X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	return store;
}

/* The CAs alone; NULL with FAILURE filled when they cannot be read. */
static X509_STORE *
read_store(const char *ca, struct failure *failure)
{
	struct buffer bytes = {0};
	char error[PEM_ERROR_MAX];
	X509_STORE *store = NULL;

	if (!file_read(ca, CA_MAX_BYTES, &bytes, failure)) {
		failure->kind = FAILURE_CONFIGURATION;
		return NULL;
	}
	const struct pem pem = {
	    ca, bytes.data != NULL ? buffer_bytes(&bytes) : "", buffer_size(&bytes)};
	STACK_OF(X509) *cas = bundle_read_certificates(&pem, error);
	if (cas != NULL)
		store = store_of(cas);
	else
		failure_set(failure, FAILURE_CONFIGURATION, "%s", error);
	sk_X509_pop_free(cas, X509_free);
	buffer_fini(&bytes);
	return store;
}

struct trust *
trust_new(const struct config *config, struct failure *failure)
{
	struct trust *self = buffer_alloc(sizeof *self);

	self->config = config;
	assert(config->crl == NULL || revocation_in_use() != NULL);
	self->store = config->crl != NULL ? store_with_lists(revocation_in_use())
	                                  : read_store(config->ca, failure);
	if (self->store != NULL)
		self->credentials = credentials_read(config, failure);
	if (self->credentials == NULL) {
		trust_free(self);
		return NULL;
	}
	expiry_warn(config->certificate, credentials_certificate(self->credentials));
	return self;
}

void
trust_free(struct trust *self)
{
	if (self == NULL)
		return;
	credentials_free(self->credentials);
	X509_STORE_free(self->store);
	free(self);
}

void
trust_forget(struct trust *self)
{
	self->alert = 0;
	self->verdict = X509_V_OK;
}

/* Where an SSL_CTX keeps its struct trust. */
static int
trust_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	assert(index >= 0);
	return index;
}

static void
on_tls_event(const SSL *ssl, int where, int value)
{
	struct trust *self = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), trust_index());

	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && value >> 8 == SSL3_AL_FATAL)
		self->alert = value & 0xff;
	if ((where & SSL_CB_WRITE_ALERT) == SSL_CB_WRITE_ALERT && value >> 8 == SSL3_AL_FATAL)
		self->verdict = SSL_get_verify_result(ssl);
}

static CURLcode
on_tls_context(CURL *handle, void *context, void *arg)
{
	struct trust *self = arg;

	(void)handle;
	/* In place of the one that libcurl fills, and may share. */
	if (SSL_CTX_set1_verify_cert_store(context, self->store) != 1)
		return CURLE_OUT_OF_MEMORY;
	if (!credentials_use(self->credentials, context))
		return CURLE_SSL_CERTPROBLEM;
	/* Certificates and lists expire by the time that counts. */
	time_t now = signed_time_now();
	if (now > time(NULL))
		X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(context), now);
	if (SSL_CTX_set_ex_data(context, trust_index(), self) != 1)
		return CURLE_OUT_OF_MEMORY;
	SSL_CTX_set_info_callback(context, on_tls_event);
	SSL_CTX_set_keylog_callback(context, NULL); /* whatever SSLKEYLOGFILE says */
	/* Whether an answer is whole, its length and its digest say; curl and OpenSSL differ from
	 * release to release in what an end without close_notify is. */
	SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
	tls_groups_set(context);
	return CURLE_OK;
}

/* A setting that libcurl does not take is a control that is missing: that must not pass. */
#define SET(option, value)                                                   \
	do {                                                                 \
		if (curl_easy_setopt(handle, (option), (value)) != CURLE_OK) \
			abort();                                             \
	} while (0)

static void
apply_tls(struct trust *self, CURL *handle)
{
	SET(CURLOPT_CAINFO, NULL); /* on_tls_context() has the CAs, certificate and key */
	SET(CURLOPT_CAPATH, NULL);
	SET(CURLOPT_SSL_OPTIONS, (long)CURLSSLOPT_NO_PARTIALCHAIN);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_PINNEDPUBLICKEY, self->config->pins);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_CIPHER_LIST, CIPHERS);
	SET(CURLOPT_SSL_CTX_FUNCTION, on_tls_context);
	SET(CURLOPT_SSL_CTX_DATA, self);
}

void
trust_apply(struct trust *self, CURL *handle)
{
	apply_tls(self, handle);
	SET(CURLOPT_PROTOCOLS_STR, "https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_PROXY, self->config->proxy);
	SET(CURLOPT_NOPROXY, "");
	SET(CURLOPT_HTTPPROXYTUNNEL, 1L);
	SET(CURLOPT_USERAGENT, "spot/" MIRRORGATE_VERSION);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
}

/* Alerts by which a server says that it does not want this certificate (RFC 8446, 6.2). */
static bool
is_about_certificate(int alert)
{
	switch (alert) {
	case SSL_AD_BAD_CERTIFICATE:
	case SSL_AD_UNSUPPORTED_CERTIFICATE:
	case SSL_AD_CERTIFICATE_REVOKED:
	case SSL_AD_CERTIFICATE_EXPIRED:
	case SSL_AD_CERTIFICATE_UNKNOWN:
	case SSL_AD_UNKNOWN_CA:
	case SSL_AD_ACCESS_DENIED:
	case SSL_AD_CERTIFICATE_REQUIRED:
		return true;
	default:
		return false;
	}
}

/* What the revocation lists have to do with it; false when they have not. */
static bool
judge_revocation(const struct trust *self, const char *server, struct failure *failure)
{
	if (self->config->crl == NULL)
		return false;
	switch (self->verdict) {
	case X509_V_ERR_CERT_REVOKED:
		failure_set(failure, FAILURE_UNTRUSTED,
		    "%s is not trusted: its certificate is revoked", server);
		return true;
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_CRL_NOT_YET_VALID:
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
	case X509_V_ERR_CRL_SIGNATURE_FAILURE:
	case X509_V_ERR_DIFFERENT_CRL_SCOPE:
	case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
		failure_set(failure, FAILURE_REVOCATION,
		    "%s cannot be trusted: %s does not tell whether its certificate is revoked "
		    "(%s)",
		    server, self->config->crl, X509_verify_cert_error_string(self->verdict));
		return true;
	default:
		return false;
	}
}

static bool
judge(const struct trust *self, const char *server, CURLcode code, const char *text,
    struct failure *failure)
{
	if (*text == '\0')
		text = curl_easy_strerror(code);
	if (is_about_certificate(self->alert))
		return failure_set(failure, FAILURE_CERTIFICATE,
		    "%s refuses this client's certificate, %s: %s", server,
		    self->config->certificate, SSL_alert_desc_string_long(self->alert));
	if (judge_revocation(self, server, failure))
		return false;
	/* "error:" is OpenSSL's; other texts of a failed handshake are about the connection. */
	if (code == CURLE_SSL_CONNECT_ERROR && strstr(text, "error:") != NULL)
		return failure_set(
		    failure, FAILURE_UNTRUSTED, "%s is not trusted: TLS failed: %s", server, text);
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
		return failure_set(failure, FAILURE_UNTRUSTED,
		    "%s is not trusted: its certificate is not one of the CA in %s for this name "
		    "(%s)",
		    server, self->config->ca, text);
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		return failure_set(failure, FAILURE_UNTRUSTED,
		    "%s is not trusted: its public key is none of the pins", server);
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
		return failure_set(failure, FAILURE_CONFIGURATION,
		    "cannot use the CA, certificate or key of the configuration: %s", text);
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		return failure_set(
		    failure, FAILURE_ANSWER, "%s does not speak HTTP: %s", server, text);
	default:
		failure_set(failure, FAILURE_UNREACHABLE, "%s cannot be reached: %s", server, text);
		failure->passes = true;
		return false;
	}
}

/* True when a certificate seems not to be valid yet, or any more. */
static bool
is_about_time(const struct trust *self)
{
	return self->verdict == X509_V_ERR_CERT_NOT_YET_VALID ||
	       self->verdict == X509_V_ERR_CERT_HAS_EXPIRED ||
	       self->alert == SSL_AD_CERTIFICATE_EXPIRED;
}

bool
trust_judge(const struct trust *self, const char *server, CURLcode code, const char *text,
    struct failure *failure)
{
	judge(self, server, code, text, failure);
	return is_about_time(self) && signed_time_blame(failure);
}
