/*
 * libcurl's TLS settings, all in one place.
 *
 * The hard part is the client certificate that the server refuses. In TLS 1.3 the handshake is
 * over by then, so that libcurl sees a connection that breaks while it waits for the answer, as if
 * the network were bad. The alert tells the truth: it is caught where OpenSSL reports it.
 */
#include "trust.h"

#include <assert.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../policy/buffer.h"

/* ECDHE and AEAD only, whatever openssl.cnf says. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2"

enum {
	CONNECT_SECONDS = 15,
	STALL_SECONDS = 60, /* in which fewer than this many bytes a second come: */
	STALL_BYTES = 100,
};

struct trust {
	const struct config *config;
	int alert; /* the fatal alert that the server sent last; 0 when it sent none */
};

static bool
is_readable(const char *file, struct failure *failure)
{
	return access(file, R_OK) == 0 || failure_set(failure, FAILURE_CONFIGURATION,
	                                      "cannot read %s: %s", file, strerror(errno));
}

struct trust *
trust_new(const struct config *config, struct failure *failure)
{
	if (!is_readable(config->ca, failure) || !is_readable(config->certificate, failure) ||
	    !is_readable(config->key, failure))
		return NULL;
	struct trust *self = buffer_alloc(sizeof *self);
	self->config = config;
	return self;
}

void
trust_free(struct trust *self)
{
	free(self);
}

void
trust_forget(struct trust *self)
{
	self->alert = 0;
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
}

static CURLcode
on_tls_context(CURL *handle, void *context, void *self)
{
	(void)handle;
	if (SSL_CTX_set_ex_data(context, trust_index(), self) != 1)
		return CURLE_OUT_OF_MEMORY;
	SSL_CTX_set_info_callback(context, on_tls_event);
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
	SET(CURLOPT_CAINFO, self->config->ca);
	SET(CURLOPT_CAPATH, NULL);
	SET(CURLOPT_SSL_OPTIONS, (long)CURLSSLOPT_NO_PARTIALCHAIN);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_PINNEDPUBLICKEY, self->config->pins);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_CIPHER_LIST, CIPHERS);
	SET(CURLOPT_SSLCERT, self->config->certificate);
	SET(CURLOPT_SSLKEY, self->config->key);
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
	SET(CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES);
	SET(CURLOPT_LOW_SPEED_TIME, (long)STALL_SECONDS);
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

bool
trust_judge(const struct trust *self, const char *server, CURLcode code, const char *text,
    struct failure *failure)
{
	if (*text == '\0')
		text = curl_easy_strerror(code);
	if (is_about_certificate(self->alert))
		return failure_set(failure, FAILURE_CERTIFICATE,
		    "%s refuses this client's certificate, %s: %s", server,
		    self->config->certificate, SSL_alert_desc_string_long(self->alert));
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
