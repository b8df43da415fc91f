/*
 * Whom spot talks to, and what it makes of a TLS connection that fails.
 *
 * A server is trusted when its certificate comes from the vendor's CA (never the system's), is for
 * the name that was asked for, and its public key is one of the pins; all three. Where `crl` is
 * configured, no certificate of it may be revoked by the lists in use, either. Nothing of the
 * environment (proxies, .netrc, SSL_CERT_FILE) has a say, no redirect is followed, and there is
 * no other scheme than https.
 */
#ifndef CLIENT_TRUST_H
#define CLIENT_TRUST_H

#include <curl/curl.h>

#include "client/common/config.h"
#include "client/common/failure.h"

struct trust;

/* Reads CAs, certificate and key of CONFIG, which must outlive the result, and warns when the
 * certificate ends soon; NULL with FAILURE filled when they cannot be used. With `crl`,
 * revocation_use() must have been called. */
struct trust *trust_new(const struct config *config, struct failure *failure);

/* Only after every handle it was applied to is gone: their connections still refer to it. */
void trust_free(struct trust *self);

/* Lets HANDLE connect only to whom we trust, and show the client certificate there. */
void trust_apply(struct trust *self, CURL *handle);

/* Call before a request: what the server said about our certificate before is forgotten. */
void trust_forget(struct trust *self);

/* Says why a transfer from SERVER ended with CODE, which is not CURLE_OK; TEXT is libcurl's own. */
bool trust_judge(const struct trust *self, const char *server, CURLcode code, const char *text,
    struct failure *failure);

#endif
