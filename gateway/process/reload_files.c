/* Files of a reload. The one hard part: a problem of TLS is told with the configuration's name
 * before that of the file that has it. */
#include "reload_files.h"

#include <assert.h>
#include <string.h>

#include "gateway/generation/sealed_file.h"

static_assert((int)RELOAD_FILE_CONFIGURATION == (int)GENERATION_CONFIG &&
                  (int)RELOAD_FILE_OTHER == (int)GENERATION_FILES,
    "the files of a generation come first");
static_assert((int)(RELOAD_RESULT_COUNT * RELOAD_FILE_COUNT) <= (int)METRICS_RELOAD_CELLS,
    "each has its counter");

uint32_t
reload_files_changed(const struct generation *before, const struct generation *after)
{
	uint32_t files = 0;

	for (unsigned i = 0; i < GENERATION_FILES; i++) {
		int a = before->files[i], b = after->files[i];
		/* The first generation has the stores where its configuration found them. */
		if (i == GENERATION_CONFIG || (i == GENERATION_STORES && a < 0))
			continue;
		bool same = a < 0 || b < 0 ? a < 0 && b < 0 : sealed_file_is_same(a, b);
		files |= same ? 0 : 1u << i;
	}
	return files;
}

uint32_t
reload_files_blamed(const char *problem, const struct config *config)
{
	const struct {
		const char *path;
		enum reload_file file;
	} paths[] = {
	    {config->policy, RELOAD_FILE_POLICY},
	    {config->policy_signer, RELOAD_FILE_POLICY},
	    {config->tls.certificate, RELOAD_FILE_CERTIFICATE},
	    {config->tls.key, RELOAD_FILE_KEY},
	    {config->tls.client_ca, RELOAD_FILE_CLIENT_CA},
	    {config->tls.crl, RELOAD_FILE_CRL},
	    {config->tls.ticket_keys, RELOAD_FILE_TICKET_KEYS},
	    {config->catalogues.folder, RELOAD_FILE_CATALOGUES},
	    {config->catalogues.signer, RELOAD_FILE_CATALOGUES},
	    {config->store_credentials, RELOAD_FILE_STORE_CREDENTIALS},
	    {config->audit_key, RELOAD_FILE_AUDIT_KEY},
	    {config->store_ca, RELOAD_FILE_STORE_CA},
	    {config->store_certificate, RELOAD_FILE_STORE_CERTIFICATE},
	    {config->store_key, RELOAD_FILE_STORE_KEY},
	};
	const size_t own = strlen(config->file);
	bool is_configurations = strncmp(problem, config->file, own) == 0 && problem[own] == ':';
	const char *text = is_configurations ? problem + own + 1 : problem;

	text += strspn(text, " ");
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		if (paths[i].path != NULL &&
		    strncmp(text, paths[i].path, strlen(paths[i].path)) == 0)
			return 1u << paths[i].file;
	return 1u << (is_configurations ? RELOAD_FILE_CONFIGURATION : RELOAD_FILE_OTHER);
}

void
reload_files_count(
    struct metrics *metrics, unsigned worker, enum reload_result result, uint32_t files)
{
	for (unsigned i = 0; i < RELOAD_FILE_COUNT; i++)
		metrics_cell_add(metrics, worker, METRICS_FAMILY_RELOADS,
		    reload_cell_of(result, (enum reload_file)i), files >> i & 1);
}
