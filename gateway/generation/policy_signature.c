/* The signature of the policy file. The hard part is in crypto/signature.c. */
#include "policy_signature.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/yaml_source.h"
#include "crypto/signature.h"
#include "gateway/node/log.h"

enum { SIGNATURE_FILE_MAX = 1024 * 1024 }; /* bytes of a certificate or a signature */

bool
policy_signature_check(const struct config *config, const char *bytes, size_t len,
    struct buffer *signer, struct problems *problems)
{
	struct signer by = {.pem = {.name = config->policy_signer}};
	char *name = buffer_text("%s.p7s", config->policy), *signature_bytes = NULL;
	struct pem signature = {.name = name};
	char error[PEM_ERROR_MAX];
	bool good = false;

	char *signer_bytes =
	    yaml_source_read_file(by.pem.name, SIGNATURE_FILE_MAX, &by.pem.len, problems);
	if (signer_bytes != NULL)
		signature_bytes =
		    yaml_source_read_file(name, SIGNATURE_FILE_MAX, &signature.len, problems);
	if (signature_bytes != NULL) {
		by.pem.bytes = signer_bytes;
		signature.bytes = signature_bytes;
		good = signature_verify(&by, &signature, bytes, len, error);
		if (good)
			buffer_append(signer, signer_bytes, by.pem.len);
		else
			problems_add(problems, config->policy, 0, "%s", error);
	}
	free(signature_bytes);
	free(signer_bytes);
	free(name);
	return good;
}

void
policy_signature_check_revocation(const struct config *config, const struct buffer *signer,
    const STACK_OF(X509_CRL) * lists, bool is_in_force, struct problems *problems)
{
	if (buffer_size(signer) == 0)
		return;
	const struct signer by = {
	    {config->policy_signer, buffer_bytes(signer), buffer_size(signer)}, lists, 0};
	if (!signer_is_revoked(&by))
		return;
	if (is_in_force)
		log_error(
		    "policy: %s is revoked: the policy in force goes on, but is not taken at the "
		    "next start, and none that follows is taken: sign it with another certificate",
		    config->policy_signer);
	else
		problems_add(problems, config->policy, 0,
		    "%s: the certificate is revoked: sign the policy with another",
		    config->policy_signer);
}
