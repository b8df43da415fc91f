/*
 * Opening a generation. Its files were checked when it was built: what was costly then is not done
 * again, for a worker has requests meanwhile.
 */
#include "generation_open.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "generation_audit_key.h"
#include "generation_config.h"
#include "generation_credentials.h"
#include "generation_store_tls.h"
#include "generation_stores.h"
#include "sealed_file.h"

struct tls_context *
generation_open_tls(const struct generation *self, const struct config *config,
    struct tls_context *current, char error[TLS_ERROR_MAX])
{
	struct sealed_bytes files[GENERATION_FILES] = {{NULL, 0}};
	struct tls_context *tls = NULL;
	bool good = true;

	for (int i = GENERATION_OPEN_TLS_FIRST; i <= GENERATION_OPEN_TLS_LAST && good; i++)
		good = sealed_file_map(self->files[i], &files[i]);
	struct tls_material material = {
	    .certificate = {config->tls.certificate, files[GENERATION_CERTIFICATE].bytes,
	        files[GENERATION_CERTIFICATE].len},
	    .key = {config->tls.key, files[GENERATION_KEY].bytes, files[GENERATION_KEY].len},
	    .client_ca = {config->tls.client_ca, files[GENERATION_CLIENT_CA].bytes,
	        files[GENERATION_CLIENT_CA].len},
	    .crl = {config->tls.crl, files[GENERATION_CRL].bytes, files[GENERATION_CRL].len},
	    .ticket_keys = {config->tls.ticket_keys != NULL ? config->tls.ticket_keys : "",
	        files[GENERATION_TICKET_KEYS].bytes, files[GENERATION_TICKET_KEYS].len},
	};
	struct tls_options options = {.high_ciphers = config->tls.ciphers == CONFIG_CIPHERS_HIGH,
	    .session_lifetime = (long)config->tls.session_lifetime,
	    .session_cache = config->tls.session_cache,
	    .client_certificates = config->limits.client_certificates,
	    .records_without_data = config->limits.records_without_data};
	if (good && current != NULL && tls_context_is_made_of(current, &material, &options))
		tls = tls_context_ref(current);
	else if (good)
		tls = tls_context_new(&material, &options, error);
	else
		(void)snprintf(error, TLS_ERROR_MAX, "cannot map a file: %s", strerror(errno));
	for (int i = 0; i < GENERATION_FILES; i++)
		sealed_file_unmap(&files[i]);
	return tls;
}

bool
generation_open(const struct generation *self, const struct generation_current *current,
    struct generation_parts *parts, char error[TLS_ERROR_MAX])
{
	_Static_assert((int)TLS_ERROR_MAX >= (int)POLICY_ERROR_MAX, "either error fits");
	struct config *config = generation_config_open(self);

	*parts = (struct generation_parts){.config = config};
	if (config == NULL) {
		(void)snprintf(error, TLS_ERROR_MAX, "the configuration cannot be mapped");
		return false;
	}
	parts->tls = generation_open_tls(self, config, current->tls, error);
	if (parts->tls == NULL)
		goto free_config;
	parts->policy = policy_open_known(self->files[GENERATION_POLICY], config->policy, error);
	if (parts->policy == NULL)
		goto unref_tls;
	parts->stores = generation_stores_open(self, config);
	if (parts->stores == NULL) {
		(void)snprintf(
		    error, TLS_ERROR_MAX, "the addresses of the stores: %s", strerror(errno));
		goto free_policy;
	}
	if (!generation_credentials_open(self, &parts->store_credentials)) {
		(void)snprintf(
		    error, TLS_ERROR_MAX, "the credentials for the store: %s", strerror(errno));
		goto free_stores;
	}
	if (!generation_audit_key_open(self, &parts->log_signer, error))
		goto free_credentials;
	if (!generation_store_tls_open(self, config, current->store_tls, &parts->store_tls, error))
		goto free_signer;
	parts->catalogues = generation_catalogues(self);
	if (parts->catalogues != NULL || !config_checks_catalogues(config))
		return true;
	(void)snprintf(error, TLS_ERROR_MAX, "the catalogues cannot be mapped");
	tls_client_unref(parts->store_tls);
free_signer:
	line_signer_free(parts->log_signer);
free_credentials:
	free(parts->store_credentials);
free_stores:
	free(parts->stores);
free_policy:
	policy_free(parts->policy);
unref_tls:
	tls_context_unref(parts->tls);
free_config:
	config_free(config);
	*parts = (struct generation_parts){.policy = NULL};
	return false;
}
