/*
 * Building a generation. The hard part is that nothing may be half right: each file is read once,
 * sealed, and only those bytes are checked and used.
 */
#include "generation_build.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/yaml_source.h"
#include "catalogues.h"
#include "gateway/tls/tls_tickets.h"
#include "generation_audit_key.h"
#include "generation_catalogues.h"
#include "generation_config.h"
#include "generation_credentials.h"
#include "generation_crl.h"
#include "generation_open.h"
#include "generation_policy.h"
#include "generation_remember.h"
#include "generation_store_tls.h"
#include "generation_stores.h"
#include "policy/policy_compile.h"
#include "policy_signature.h"
#include "sealed_file.h"
#include "tls_files.h"

/* The bytes whose signature was checked are those that are compiled: the file is read once. Whose
 * it is goes into SIGNER. */
static int
take_policy(const struct config *config, struct buffer *signer, struct problems *problems)
{
	size_t len;
	char *bytes = yaml_source_read_file(config->policy, POLICY_FILE_MAX, &len, problems);
	int fd = -1;

	if (bytes == NULL)
		return -1;
	if (config->policy_signer == NULL ||
	    policy_signature_check(config, bytes, len, signer, problems))
		fd = policy_compile_text(config->policy, bytes, len, time(NULL), problems);
	free(bytes);
	if (fd >= 0 && !sealed_file_seal(fd))
		problems_add(problems, config->policy, 0, "cannot be sealed: %s", strerror(errno));
	return fd;
}

/* A second descriptor of FILE of PREVIOUS; -1, with a problem added, when there is none. */
static int
keep_file(const struct generation *previous, enum generation_file file, const struct config *config,
    struct problems *problems)
{
	int fd = fcntl(previous->files[file], F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		problems_add(problems, config->file, 0, "the generation in force cannot go on: %s",
		    strerror(errno));
	return fd;
}

/* Without a configured file the keys are random, and live as long as the supervisor: those of
 * PREVIOUS, when its own were random, too. */
static int
take_ticket_keys(
    const struct config *config, const struct generation *previous, struct problems *problems)
{
	char key[TLS_TICKETS_KEY_TEXT + 1];
	int fd;

	if (config->tls.ticket_keys != NULL)
		return tls_files_take(config->tls.ticket_keys, problems);
	if (previous != NULL) {
		fd = fcntl(previous->files[GENERATION_TICKET_KEYS], F_DUPFD_CLOEXEC, 0);
	} else {
		tls_tickets_random_key(key);
		fd = sealed_file_new("ticket-keys", key, TLS_TICKETS_KEY_TEXT);
		explicit_bzero(key, sizeof key);
	}
	if (fd < 0)
		problems_add(problems, config->file, 0, "ticket keys cannot be kept in memory: %s",
		    strerror(errno));
	return fd;
}

/* A policy's serial only grows; the same serial means the same content. */
static void
check_serial(const struct generation *self, const struct generation *previous,
    const struct policy *policy, const struct config *config, struct problems *problems)
{
	struct policy *old;

	if (previous == NULL)
		return;
	old = generation_policy_open(previous, config);
	unsigned long long before = policy_serial(old), after = policy_serial(policy);
	policy_free(old);
	if (after < before)
		problems_add(problems, config->policy, 0,
		    "serial %llu is lower than %llu, which is in force: raise it", after, before);
	else if (after == before && !sealed_file_is_same(self->files[GENERATION_POLICY],
	                                previous->files[GENERATION_POLICY]))
		problems_add(problems, config->policy, 0,
		    "serial %llu is in force with other content: raise it", after);
}

/* A policy that a certificate signed which is revoked by now is no new one. */
static void
check_signer(const struct generation *self, const struct generation *previous,
    const struct config *config, const struct tls_crl *crl, const struct buffer *signer,
    struct problems *problems)
{
	bool is_in_force =
	    previous != NULL && self->files[GENERATION_POLICY] >= 0 &&
	    sealed_file_is_same(self->files[GENERATION_POLICY], previous->files[GENERATION_POLICY]);

	policy_signature_check_revocation(
	    config, signer, tls_crl_lists(crl), is_in_force, problems);
}

/* Adds what is wrong with TLS and policy, both of them, to PROBLEMS. Files that could not be read
 * are there already. SIGNER has signed the policy, if it is not empty. */
static void
check(const struct generation *self, const struct generation *previous, const struct config *config,
    const struct buffer *signer, struct problems *problems)
{
	char error[TLS_ERROR_MAX];
	bool readable = true;

	for (int i = GENERATION_OPEN_TLS_FIRST; i <= GENERATION_OPEN_TLS_LAST; i++)
		readable = readable && (self->files[i] >= 0 ||
		                           (i == GENERATION_CRL && config->tls.crl == NULL));
	if (readable) {
		struct tls_context *tls = generation_open_tls(self, config, NULL, error);
		if (tls == NULL) {
			problems_add(problems, config->file, 0, "%s", error);
		} else {
			tls_files_warn(tls_context_verify(tls));
		}
		if (tls != NULL && config->tls.crl != NULL) {
			const struct tls_crl *crl = tls_verify_crl(tls_context_verify(tls));
			generation_crl_check(crl, previous, config, problems);
			check_signer(self, previous, config, crl, signer, problems);
		}
		tls_context_unref(tls);
	}
	if (self->files[GENERATION_POLICY] < 0)
		return;
	struct policy *policy = policy_open(self->files[GENERATION_POLICY], config->policy, error);
	if (policy == NULL) {
		problems_add(problems, config->policy, 0, "%s", error);
	} else {
		check_serial(self, previous, policy, config, problems);
		generation_remember_check(self, policy, config, problems);
		generation_policy_check(policy, config, problems);
	}
	policy_free(policy);
}

typedef int catalogues_fn(const struct generation *self, const struct generation *previous,
    const struct config *config, struct problems *problems);

/* Adds the catalogues by FN, last, for they want a good policy. NULL, and SELF is gone, when there
 * are problems. */
static struct generation *
finish(struct generation *self, const struct generation *previous, const struct config *config,
    catalogues_fn *fn, struct problems *problems)
{
	if (problems_count(problems) == 0 && config_checks_catalogues(config))
		self->files[GENERATION_CATALOGUES] = fn(self, previous, config, problems);
	if (problems_count(problems) == 0)
		return self;
	generation_free(self);
	return NULL;
}

struct generation *
generation_build(struct config *config, uint64_t number, const struct generation *previous,
    struct problems *problems)
{
	struct generation *self = generation_new(number);
	struct buffer signer = {0};
	struct config *before = previous != NULL ? generation_config_open(previous) : NULL;
	bool keeps_catalogues = before != NULL && generation_catalogues_may_stay(before, config);

	assert(problems_count(problems) == 0);
	self->files[GENERATION_CONFIG] = generation_config_take(config, problems);
	self->files[GENERATION_POLICY] = take_policy(config, &signer, problems);
	self->files[GENERATION_CERTIFICATE] = tls_files_take(config->tls.certificate, problems);
	self->files[GENERATION_KEY] = tls_files_take(config->tls.key, problems);
	self->files[GENERATION_CLIENT_CA] = tls_files_take(config->tls.client_ca, problems);
	if (config->tls.crl != NULL)
		self->files[GENERATION_CRL] = tls_files_take(config->tls.crl, problems);
	self->files[GENERATION_TICKET_KEYS] = take_ticket_keys(
	    config, before != NULL && before->tls.ticket_keys == NULL ? previous : NULL, problems);
	if (previous != NULL)
		self->files[GENERATION_STORES] =
		    generation_stores_carry_over(previous, config, problems);
	self->files[GENERATION_STORE_CREDENTIALS] = generation_credentials_take(config, problems);
	self->files[GENERATION_AUDIT_KEY] = generation_audit_key_take(config, problems);
	generation_store_tls_take(self, config, problems);
	config_free(before);
	check(self, previous, config, &signer, problems);
	buffer_fini(&signer);
	if (!keeps_catalogues && config_checks_catalogues(config))
		catalogues_check_files(config, problems);
	return finish(self, previous, config,
	    keeps_catalogues ? generation_catalogues_keep : generation_catalogues_take, problems);
}

/* All that PREVIOUS has but for the file CHANGED. */
static struct generation *
keep_all_but(enum generation_file changed, const struct config *config, uint64_t number,
    const struct generation *previous, struct problems *problems)
{
	struct generation *self = generation_new(number);

	for (int i = 0; i < GENERATION_FILES; i++)
		if (i != (int)changed && previous->files[i] >= 0)
			self->files[i] =
			    keep_file(previous, (enum generation_file)i, config, problems);
	return self;
}

struct generation *
generation_build_catalogues(const struct config *config, uint64_t number,
    const struct generation *previous, struct problems *problems)
{
	struct generation *self =
	    keep_all_but(GENERATION_CATALOGUES, config, number, previous, problems);

	return finish(self, previous, config, generation_catalogues_take, problems);
}

struct generation *
generation_build_stores(const struct config *config, uint64_t number,
    const struct generation *previous, struct problems *problems)
{
	struct generation *self =
	    keep_all_but(GENERATION_STORES, config, number, previous, problems);

	if (problems_count(problems) == 0)
		self->files[GENERATION_STORES] =
		    generation_stores_look_up(previous, config, problems);
	if (self->files[GENERATION_STORES] >= 0)
		return self;
	generation_free(self);
	return NULL;
}
