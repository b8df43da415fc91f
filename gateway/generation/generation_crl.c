/* The revocation lists of a generation. The one hard part: a configuration may begin with a list,
 * so that there is none to go back from. */
#include "generation_crl.h"

#include "crl_state.h"
#include "sealed_file.h"

void
generation_crl_check(const struct tls_crl *crl, const struct generation *previous,
    const struct config *config, struct problems *problems)
{
	struct sealed_bytes file;
	const char *defect = "the one in force cannot be read";

	if (config->state_dir != NULL)
		crl_state_check(config->state_dir, config->tls.crl, crl, problems);
	if (previous == NULL)
		return;
	if (sealed_file_map(previous->files[GENERATION_CRL], &file)) {
		struct pem before = {config->tls.crl, file.bytes, file.len};
		defect = tls_crl_went_back(crl, &before);
	}
	sealed_file_unmap(&file);
	if (defect != NULL)
		problems_add(problems, config->tls.crl, 0, "%s", defect);
}
