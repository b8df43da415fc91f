/* What state_dir remembers of a generation: its policy's serial and digest, the numbers of its
 * revocation lists, the versions that have a good catalogue. */
#include "generation_remember.h"

#include <errno.h>
#include <string.h>

#include "catalogue_state.h"
#include "crl_state.h"
#include "crypto/digest.h"
#include "generation_open.h"
#include "generation_policy.h"
#include "policy_state.h"
#include "sealed_file.h"

/* Digests the image, not the file: a policy is the same as YAML and compiled. False, with a problem
 * added, when it cannot be mapped. */
static bool
state_of(const struct generation *self, const struct policy *policy, const struct config *config,
    struct policy_state *state, struct problems *problems)
{
	struct sealed_bytes image;

	if (!sealed_file_map(self->files[GENERATION_POLICY], &image)) {
		problems_add(problems, config->policy, 0, "cannot be mapped: %s", strerror(errno));
		return false;
	}
	state->serial = policy_serial(policy);
	digest_sha256_hex(image.bytes, image.len, state->digest);
	sealed_file_unmap(&image);
	return true;
}

void
generation_remember_check(const struct generation *self, const struct policy *policy,
    const struct config *config, struct problems *problems)
{
	struct policy_state state;

	if (config->state_dir != NULL && state_of(self, policy, config, &state, problems))
		policy_state_check(config->state_dir, config->policy, &state, problems);
}

/* Makes state_dir remember the numbers of the revocation lists of SELF. */
static bool
remember_crl(const struct generation *self, const struct config *config, struct problems *problems)
{
	char error[TLS_ERROR_MAX];

	if (config->tls.crl == NULL)
		return true;
	struct tls_context *tls = generation_open_tls(self, config, NULL, error);
	if (tls == NULL) {
		problems_add(problems, config->tls.crl, 0, "%s", error);
		return false;
	}
	const struct tls_crl *crl = tls_verify_crl(tls_context_verify(tls));
	bool good = crl_state_write(config->state_dir, crl, problems);
	tls_context_unref(tls);
	return good;
}

bool
generation_remember(
    const struct generation *self, const struct config *config, struct problems *problems)
{
	struct policy_state state;

	if (config->state_dir == NULL)
		return true;
	struct policy *policy = generation_policy_open(self, config);
	bool good = remember_crl(self, config, problems) &&
	            state_of(self, policy, config, &state, problems) &&
	            policy_state_write(config->state_dir, &state, problems);
	policy_free(policy);
	return good;
}

bool
generation_remember_catalogues(
    const struct generation *self, const struct config *config, struct problems *problems)
{
	struct catalogue_image *image = generation_catalogues(self);
	bool good = image == NULL || config->state_dir == NULL ||
	            catalogue_state_write(config->state_dir, image, problems);

	catalogue_image_free(image);
	return good;
}
