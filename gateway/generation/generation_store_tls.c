/* TLS towards the store. The one hard part: what was built must be openable, so it is opened once
 * where a mistake can still be told. */
#include "generation_store_tls.h"

#include <errno.h>
#include <string.h>

#include "sealed_file.h"
#include "tls_files.h"

void
generation_store_tls_take(
    struct generation *self, const struct config *config, struct problems *problems)
{
	const size_t before = problems_count(problems);
	char error[PEM_ERROR_MAX];
	struct tls_client *tls;

	if (config->store_ca == NULL)
		return;
	self->files[GENERATION_STORE_CA] = tls_files_take(config->store_ca, problems);
	if (config->store_certificate != NULL) {
		self->files[GENERATION_STORE_CERTIFICATE] =
		    tls_files_take(config->store_certificate, problems);
		self->files[GENERATION_STORE_KEY] = tls_files_take(config->store_key, problems);
		tls_files_check_closed(config->store_key, problems);
	}
	if (problems_count(problems) > before)
		return;
	if (!generation_store_tls_open(self, config, NULL, &tls, error))
		problems_add(problems, config->file, 0, "%s", error);
	else
		tls_client_unref(tls);
}

bool
generation_store_tls_open(const struct generation *self, const struct config *config,
    struct tls_client *current, struct tls_client **tls, char error[PEM_ERROR_MAX])
{
	struct sealed_bytes ca = {NULL, 0}, certificate = {NULL, 0}, key = {NULL, 0};
	bool good = sealed_file_map(self->files[GENERATION_STORE_CA], &ca) &&
	            sealed_file_map(self->files[GENERATION_STORE_CERTIFICATE], &certificate) &&
	            sealed_file_map(self->files[GENERATION_STORE_KEY], &key);
	const struct tls_client_material material = {.ca = {config->store_ca, ca.bytes, ca.len},
	    .certificate = {config->store_certificate, certificate.bytes, certificate.len},
	    .key = {config->store_key, key.bytes, key.len},
	    .pins = config->store_pins};

	*tls = NULL;
	if (!good)
		pem_fail(error, config->file, "cannot map a file: %s", strerror(errno));
	else if (ca.bytes == NULL)
		;
	else if (current != NULL && tls_client_is_made_of(current, &material))
		*tls = tls_client_ref(current);
	else
		*tls = tls_client_new(&material, error);
	good = good && (ca.bytes == NULL || *tls != NULL);
	sealed_file_unmap(&ca);
	sealed_file_unmap(&certificate);
	sealed_file_unmap(&key);
	return good;
}
