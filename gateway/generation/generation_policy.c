/* The policy of a generation. The one hard part: a control that the gate cannot apply is an error
 * while a generation is built, not something to be left out. */
#include "generation_policy.h"

#include <assert.h>
#include <stdio.h>

#include "gateway/tls/tls_verify.h"
#include "policy/policy_listing.h"
#include "sealed_file.h"

struct policy *
generation_policy_open(const struct generation *self, const struct config *config)
{
	char error[POLICY_ERROR_MAX];
	struct policy *policy =
	    policy_open_known(self->files[GENERATION_POLICY], config->policy, error);

	assert(policy != NULL);
	return policy;
}

struct requirement {
	const struct config *config;
	struct problems *problems;
};

static void
on_product(const struct policy_product *product, void *arg)
{
	const struct requirement *self = arg;

	if (product->catalogue_required)
		problems_add(self->problems, self->config->policy, 0,
		    "product %s has `catalogue: required`, and this gate checks none: set "
		    "`catalogues` in %s",
		    product->id, self->config->file);
}

void
generation_policy_check(
    const struct policy *policy, const struct config *config, struct problems *problems)
{
	struct requirement requirement = {config, problems};

	if (!config_checks_catalogues(config))
		policy_each_product(policy, on_product, &requirement);
}

void
generation_policy_change(const struct generation *old, const struct generation *new,
    const struct config *config, char text[GENERATION_CHANGE_MAX])
{
	struct policy *before = generation_policy_open(old, config);
	struct policy *after = generation_policy_open(new, config);
	unsigned long long was = policy_serial(before), is = policy_serial(after);
	char summary[POLICY_DIFF_SUMMARY_MAX];

	if (is == was) { /* and so is the content */
		(void)snprintf(text, GENERATION_CHANGE_MAX, "serial %llu unchanged", is);
	} else {
		policy_diff_summary(before, after, summary);
		(void)snprintf(
		    text, GENERATION_CHANGE_MAX, "serial %llu -> %llu: %s", was, is, summary);
	}
	policy_free(before);
	policy_free(after);
}

bool
generation_policy_warning(
    const struct generation *self, const struct config *config, char text[GENERATION_CHANGE_MAX])
{
	char first[POLICY_ID_MAX + 1];
	struct policy *policy = generation_policy_open(self, config);
	uint32_t count = policy_listing_unlimited_snapshots(policy, first);

	policy_free(policy);
	if (count > 0)
		(void)snprintf(text, GENERATION_CHANGE_MAX,
		    "%s may file snapshots without limit (snapshots_per_day: 0)%s", first,
		    count > 1 ? ", and so may others" : "");
	return count > 0;
}

/* The names of the client CAs of SELF, each once, in TEXT. Returns how many there are. */
static size_t
name_cas(const struct generation *self, const struct config *config, struct buffer *text)
{
	char error[TLS_ERROR_MAX];
	struct sealed_bytes file;
	struct tls_verify *rules = NULL;
	const struct pem none = {0};
	size_t count = 0;

	if (sealed_file_map(self->files[GENERATION_CLIENT_CA], &file)) {
		struct pem cas = {config->tls.client_ca, file.bytes, file.len};
		rules = tls_verify_new(&cas, &none, error);
	}
	if (rules != NULL)
		count = tls_verify_name_cas(rules, text);
	tls_verify_free(rules);
	sealed_file_unmap(&file);
	return count;
}

bool
generation_policy_issuer_warning(
    const struct generation *self, const struct config *config, struct buffer *text)
{
	char first[POLICY_LISTING_HOLDER_MAX];
	struct buffer names = {0};
	struct policy *policy = generation_policy_open(self, config);
	uint32_t open = policy_listing_without_issuer(policy, first);
	size_t count = open > 0 ? name_cas(self, config, &names) : 0;

	policy_free(policy);
	if (count > 1)
		buffer_printf(text,
		    "any of the %zu client CAs can certify %s, which has no `issuer`%s (the CAs: "
		    "%.*s)",
		    count, first, open > 1 ? ", and others" : "", (int)buffer_size(&names),
		    buffer_bytes(&names));
	buffer_fini(&names);
	return count > 1;
}
