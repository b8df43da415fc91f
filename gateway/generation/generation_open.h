/*
 * Opening a generation that was built, for a worker to go by.
 */
#ifndef GATEWAY_GENERATION_OPEN_H
#define GATEWAY_GENERATION_OPEN_H

#include <stdbool.h>

#include "gateway/config/config.h"
#include "gateway/tls/tls_client.h"
#include "gateway/tls/tls_context.h"
#include "generation.h"
#include "policy/policy.h"

/* What a worker needs of a generation; the caller's to release. */
struct generation_parts {
	struct config *config;
	struct policy *policy;
	struct tls_context *tls;
	struct catalogue_image *catalogues; /* NULL: none are checked */
	struct config_endpoints *stores;    /* for each store of the configuration */
	char *store_credentials;            /* see generation_credentials_open() */
	struct line_signer *log_signer;     /* NULL: nobody signs */
	struct tls_client *store_tls;       /* NULL: no store is asked by TLS */
};

/* What is in force; NULL: nothing. */
struct generation_current {
	struct tls_context *tls;
	struct tls_client *store_tls;
};

/* Opens what the files of a generation that was built hold; the policy's checksum, which was
 * checked then, is not looked at again, for it would delay a worker's requests. For the same reason
 * PARTS' tls and store_tls are one more reference to what CURRENT has, when nothing of it has
 * changed. False, with ERROR filled, when the files are not usable. */
bool generation_open(const struct generation *self, const struct generation_current *current,
    struct generation_parts *parts, char error[TLS_ERROR_MAX]);

/* The files that TLS is made of come one after the other. */
enum {
	GENERATION_OPEN_TLS_FIRST = GENERATION_CERTIFICATE,
	GENERATION_OPEN_TLS_LAST = GENERATION_TICKET_KEYS,
};

/* Only that: one more reference to CURRENT (NULL: none), when it is made of the same, or a new
 * context. NULL with ERROR filled. */
struct tls_context *generation_open_tls(const struct generation *self, const struct config *config,
    struct tls_context *current, char error[TLS_ERROR_MAX]);

#endif
