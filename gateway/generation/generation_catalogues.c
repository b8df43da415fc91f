/* The catalogues of a generation. The hard part is that a revocation may not wait for them, and
 * that it may be one of who signs them. */
#include "generation_catalogues.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "catalogue_state.h"
#include "catalogues.h"
#include "crypto/crl.h"
#include "generation_policy.h"
#include "sealed_file.h"

static bool
is_same_path(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool
generation_catalogues_may_stay(const struct config *before, const struct config *after)
{
	return config_checks_catalogues(before) == config_checks_catalogues(after) &&
	       before->catalogues.required == after->catalogues.required &&
	       is_same_path(before->catalogues.folder, after->catalogues.folder) &&
	       is_same_path(before->catalogues.signer, after->catalogues.signer);
}

/* A policy that is good; NULL with a problem added. */
static struct policy *
open_policy(const struct generation *self, const struct config *config, struct problems *problems)
{
	char error[POLICY_ERROR_MAX];
	struct policy *policy =
	    policy_open_known(self->files[GENERATION_POLICY], config->policy, error);

	if (policy == NULL)
		problems_add(problems, config->policy, 0, "%s", error);
	return policy;
}

/* The revocation lists of SELF, which were checked when it was built. NULL when there are none or,
 * with a problem added, when they cannot be read. */
static STACK_OF(X509_CRL) *
    lists_of(const struct generation *self, const struct config *config, struct problems *problems)
{
	struct sealed_bytes file = {NULL, 0};
	char error[PEM_ERROR_MAX];
	STACK_OF(X509_CRL) *lists = NULL;

	if (self->files[GENERATION_CRL] < 0)
		return NULL;
	if (!sealed_file_map(self->files[GENERATION_CRL], &file))
		problems_add(problems, config->tls.crl, 0, "cannot be mapped: %s", strerror(errno));
	else if ((lists = crl_read(&(struct pem){config->tls.crl, file.bytes, file.len}, error)) ==
	         NULL)
		problems_add(problems, config->tls.crl, 0, "%s", error);
	sealed_file_unmap(&file);
	return lists;
}

int
generation_catalogues_take(const struct generation *self, const struct generation *previous,
    const struct config *config, struct problems *problems)
{
	struct policy *policy = open_policy(self, config, problems);
	STACK_OF(X509_CRL) *lists = lists_of(self, config, problems);
	size_t defects = problems_count(problems);
	struct catalogue_image *before = NULL;
	int fd = -1;

	if (previous != NULL)
		before = generation_catalogues(previous);
	if (before == NULL && config->state_dir != NULL)
		before = catalogue_state_read(config->state_dir, problems);
	if (policy != NULL && problems_count(problems) == defects)
		fd = catalogues_read(config, policy, lists, before, time(NULL), problems);
	catalogue_image_free(before);
	crl_free(lists);
	policy_free(policy);
	return fd;
}

/* True when the lists of SELF revoke the certificate that signs catalogues and those of PREVIOUS do
 * not, or the other way round. */
static bool
signer_has_changed(const struct generation *self, const struct generation *previous,
    const struct config *config, struct problems *problems)
{
	if (sealed_file_is_same(self->files[GENERATION_CRL], previous->files[GENERATION_CRL]))
		return false;
	STACK_OF(X509_CRL) *before = lists_of(previous, config, problems);
	STACK_OF(X509_CRL) *after = lists_of(self, config, problems);
	bool changed = catalogues_signer_is_revoked(config, before) !=
	               catalogues_signer_is_revoked(config, after);
	crl_free(before);
	crl_free(after);
	return changed;
}

int
generation_catalogues_keep(const struct generation *self, const struct generation *previous,
    const struct config *config, struct problems *problems)
{
	struct policy *before = open_policy(previous, config, problems);
	struct policy *after = open_policy(self, config, problems);
	int fd = -1;

	if (before != NULL && after != NULL) {
		const struct catalogues_move move = {before, after,
		    previous->files[GENERATION_CATALOGUES],
		    signer_has_changed(self, previous, config, problems)};
		fd = catalogues_carry_over(config, &move, problems);
	}
	policy_free(before);
	policy_free(after);
	return fd;
}

bool
generation_catalogues_have_changed(const struct generation *self, const struct config *config)
{
	struct catalogue_image *image = generation_catalogues(self);

	if (image == NULL)
		return config_checks_catalogues(config);
	struct policy *policy = generation_policy_open(self, config);
	bool changed = catalogues_have_changed(config, policy, image, time(NULL));
	policy_free(policy);
	catalogue_image_free(image);
	return changed;
}
