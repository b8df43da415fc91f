/*
 * Building and opening a generation. The hard part is that nothing may be half right: each file
 * is read once, sealed, and only those bytes are checked and used.
 */
#include "generation.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../policy/buffer.h"
#include "../policy/policy_compile.h"
#include "../policy/yaml_source.h"
#include "catalogues.h"
#include "policy_state.h"
#include "sealed_file.h"
#include "tls_signature.h"
#include "tls_tickets.h"

/* Largest certificate, key or CRL file in bytes. A CRL of 100,000 certificates has 4 MiB. */
#define PEM_FILE_MAX ((size_t)16 << 20)

/* A file system that lost its last writes leaves NULs. OpenSSL would take what stands before them
 * for the whole. */
static bool
has_nul(const char *path, const char *bytes, size_t len, struct problems *problems)
{
	const char *nul = memchr(bytes, '\0', len);
	size_t line = 1;

	if (nul == NULL)
		return false;
	for (const char *at = bytes; at < nul; at++)
		line += *at == '\n';
	problems_add(problems, path, line, "has a NUL byte: the file is damaged");
	return true;
}

static int
take_file(const char *path, struct problems *problems)
{
	size_t len;
	char *bytes = yaml_source_read_file(path, PEM_FILE_MAX, &len, problems);
	int fd = -1;

	if (bytes == NULL)
		return -1;
	if (has_nul(path, bytes, len, problems))
		goto free_bytes;
	fd = sealed_file_new("pem", bytes, len);
	if (fd < 0)
		problems_add(problems, path, 0, "cannot be copied to memory: %s", strerror(errno));
free_bytes:
	explicit_bzero(bytes, len);
	free(bytes);
	return fd;
}

/* True when BYTES, what the policy file held, are signed as CONFIG asks. */
static bool
is_signed(const struct config *config, const char *bytes, size_t len, struct problems *problems)
{
	struct tls_pem signer = {.name = config->policy_signer};
	struct tls_pem signature = {0};
	char *signer_bytes, *signature_bytes = NULL, *name = NULL, error[TLS_ERROR_MAX];
	bool good = false;

	if (asprintf(&name, "%s.p7s", config->policy) < 0)
		abort();
	signer_bytes = yaml_source_read_file(signer.name, PEM_FILE_MAX, &signer.len, problems);
	if (signer_bytes != NULL)
		signature_bytes =
		    yaml_source_read_file(name, PEM_FILE_MAX, &signature.len, problems);
	if (signature_bytes != NULL) {
		signer.bytes = signer_bytes;
		signature.name = name;
		signature.bytes = signature_bytes;
		good = tls_signature_verify(&signer, &signature, bytes, len, error);
		if (!good)
			problems_add(problems, config->policy, 0, "%s", error);
	}
	free(signature_bytes);
	free(signer_bytes);
	free(name);
	return good;
}

/* The bytes whose signature was checked are those that are compiled: the file is read once. */
static int
take_policy(const struct config *config, struct problems *problems)
{
	size_t len;
	char *bytes = yaml_source_read_file(config->policy, POLICY_FILE_MAX, &len, problems);
	int fd = -1;

	if (bytes == NULL)
		return -1;
	if (config->policy_signer == NULL || is_signed(config, bytes, len, problems))
		fd = policy_compile_text(config->policy, bytes, len, time(NULL), problems);
	free(bytes);
	if (fd >= 0 && !sealed_file_seal(fd))
		problems_add(problems, config->policy, 0, "cannot be sealed: %s", strerror(errno));
	return fd;
}

/* Without a configured file the keys are random, and live as long as the supervisor. */
static int
take_ticket_keys(
    const struct config *config, const struct generation *previous, struct problems *problems)
{
	char key[TLS_TICKETS_KEY_TEXT + 1];
	int fd;

	if (config->tls.ticket_keys != NULL)
		return take_file(config->tls.ticket_keys, problems);
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

/* The image of PREVIOUS once more, when no catalogue has changed: a revocation must not wait until
 * all of them are parsed. -1 when it must be made anew. */
static int
take_same_catalogues(
    const struct generation *previous, const struct config *config, const struct policy *policy)
{
	struct catalogue_image *image = previous != NULL ? generation_catalogues(previous) : NULL;
	int fd = -1;

	if (image != NULL && !catalogues_have_changed(config, policy, image, time(NULL)))
		fd = fcntl(previous->files[GENERATION_CATALOGUES], F_DUPFD_CLOEXEC, 0);
	catalogue_image_free(image);
	return fd;
}

/* The catalogues of the products in the policy of SELF. */
static int
take_catalogues(const struct generation *self, const struct generation *previous,
    const struct config *config, struct problems *problems)
{
	char error[POLICY_ERROR_MAX];
	struct policy *policy =
	    policy_open_known(self->files[GENERATION_POLICY], config->policy, error);

	if (policy == NULL) {
		problems_add(problems, config->policy, 0, "%s", error);
		return -1;
	}
	int fd = take_same_catalogues(previous, config, policy);
	if (fd < 0)
		fd = catalogues_read(config, policy, time(NULL), problems);
	policy_unref(policy);
	return fd;
}

/* The files that TLS is made of come one after the other. */
enum { FIRST_OF_TLS = GENERATION_CERTIFICATE, LAST_OF_TLS = GENERATION_TICKET_KEYS };

/* CURRENT again, or a new one. */
static struct tls_context *
open_tls(const struct generation *self, const struct config *config, struct tls_context *current,
    char error[TLS_ERROR_MAX])
{
	struct sealed_bytes files[GENERATION_FILES] = {{NULL, 0}};
	struct tls_context *tls = NULL;
	bool good = true;

	for (int i = FIRST_OF_TLS; i <= LAST_OF_TLS && good; i++)
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
	    .session_lifetime = (long)config->tls.session_lifetime};
	if (good && current != NULL && tls_context_is_made_of(current, &material))
		tls = tls_context_ref(current);
	else if (good)
		tls = tls_context_new(&material, &options, error);
	else
		(void)snprintf(error, TLS_ERROR_MAX, "cannot map a file: %s", strerror(errno));
	for (int i = 0; i < GENERATION_FILES; i++)
		sealed_file_unmap(&files[i]);
	return tls;
}

struct catalogue_image *
generation_catalogues(const struct generation *self)
{
	const char *defect;
	int fd = self->files[GENERATION_CATALOGUES];

	return fd >= 0 ? catalogue_image_open(fd, &defect) : NULL;
}

bool
generation_open(const struct generation *self, const struct config *config,
    struct tls_context *current, struct generation_parts *parts, char error[TLS_ERROR_MAX])
{
	_Static_assert((int)TLS_ERROR_MAX >= (int)POLICY_ERROR_MAX, "either error fits");

	*parts = (struct generation_parts){.tls = open_tls(self, config, current, error)};
	if (parts->tls == NULL)
		return false;
	parts->policy = policy_open_known(self->files[GENERATION_POLICY], config->policy, error);
	if (parts->policy == NULL)
		goto unref_tls;
	parts->catalogues = generation_catalogues(self);
	if (parts->catalogues != NULL || !config_checks_catalogues(config))
		return true;
	(void)snprintf(error, TLS_ERROR_MAX, "the catalogues cannot be mapped");
	policy_unref(parts->policy);
unref_tls:
	tls_context_unref(parts->tls);
	*parts = (struct generation_parts){NULL, NULL, NULL};
	return false;
}

/* The policy of a generation that was built, and so opens. */
static struct policy *
open_checked_policy(const struct generation *self, const struct config *config)
{
	char error[POLICY_ERROR_MAX];
	struct policy *policy =
	    policy_open_known(self->files[GENERATION_POLICY], config->policy, error);

	assert(policy != NULL);
	return policy;
}

/* A policy's serial only grows; the same serial means the same content. */
static void
check_serial(const struct generation *self, const struct generation *previous,
    const struct policy *policy, const struct config *config, struct problems *problems)
{
	struct policy *old;

	if (previous == NULL)
		return;
	old = open_checked_policy(previous, config);
	unsigned long long before = policy_serial(old), after = policy_serial(policy);
	policy_unref(old);
	if (after < before)
		problems_add(problems, config->policy, 0,
		    "serial %llu is lower than %llu, which is in force: raise it", after, before);
	else if (after == before && !sealed_file_is_same(self->files[GENERATION_POLICY],
	                                previous->files[GENERATION_POLICY]))
		problems_add(problems, config->policy, 0,
		    "serial %llu is in force with other content: raise it", after);
}

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
	tls_digest_sha256_hex(image.bytes, image.len, state->digest);
	sealed_file_unmap(&image);
	return true;
}

/* The same as check_serial() against what was in force before a restart. */
static void
check_state(const struct generation *self, const struct policy *policy, const struct config *config,
    struct problems *problems)
{
	struct policy_state state;

	if (config->state_dir != NULL && state_of(self, policy, config, &state, problems))
		policy_state_check(config->state_dir, config->policy, &state, problems);
}

/* A revocation list never goes back. */
static void
check_crl(struct tls_context *tls, const struct generation *previous, const struct config *config,
    struct problems *problems)
{
	struct sealed_bytes file;
	const char *defect = "the one in force cannot be read";

	if (config->tls.crl == NULL)
		return;
	if (sealed_file_map(previous->files[GENERATION_CRL], &file)) {
		struct tls_pem before = {config->tls.crl, file.bytes, file.len};
		defect = tls_verify_crl_went_back(tls_context_verify(tls), &before);
	}
	sealed_file_unmap(&file);
	if (defect != NULL)
		problems_add(problems, config->tls.crl, 0, "%s", defect);
}

/* Adds what is wrong with TLS and policy, both of them, to PROBLEMS. Files that could not be read
 * are there already. */
static void
check(const struct generation *self, const struct generation *previous, const struct config *config,
    struct problems *problems)
{
	char error[TLS_ERROR_MAX];
	bool readable = true;

	for (int i = FIRST_OF_TLS; i <= LAST_OF_TLS; i++)
		readable = readable && (self->files[i] >= 0 ||
		                           (i == GENERATION_CRL && config->tls.crl == NULL));
	if (readable) {
		struct tls_context *tls = open_tls(self, config, NULL, error);
		if (tls == NULL)
			problems_add(problems, config->file, 0, "%s", error);
		else if (previous != NULL)
			check_crl(tls, previous, config, problems);
		tls_context_unref(tls);
	}
	if (self->files[GENERATION_POLICY] < 0)
		return;
	struct policy *policy = policy_open(self->files[GENERATION_POLICY], config->policy, error);
	if (policy == NULL) {
		problems_add(problems, config->policy, 0, "%s", error);
	} else {
		check_serial(self, previous, policy, config, problems);
		check_state(self, policy, config, problems);
	}
	policy_unref(policy);
}

static struct generation *
new_generation(uint64_t number)
{
	struct generation *self = buffer_alloc(sizeof *self);

	self->number = number;
	for (int i = 0; i < GENERATION_FILES; i++)
		self->files[i] = -1;
	return self;
}

/* Adds the catalogues, last, for they want a good policy. NULL, and SELF is gone, when there are
 * problems. */
static struct generation *
finish(struct generation *self, const struct generation *previous, const struct config *config,
    struct problems *problems)
{
	if (problems_count(problems) == 0 && config_checks_catalogues(config))
		self->files[GENERATION_CATALOGUES] =
		    take_catalogues(self, previous, config, problems);
	if (problems_count(problems) == 0)
		return self;
	generation_free(self);
	return NULL;
}

struct generation *
generation_build(const struct config *config, uint64_t number, const struct generation *previous,
    struct problems *problems)
{
	struct generation *self = new_generation(number);

	assert(problems_count(problems) == 0);
	self->files[GENERATION_POLICY] = take_policy(config, problems);
	self->files[GENERATION_CERTIFICATE] = take_file(config->tls.certificate, problems);
	self->files[GENERATION_KEY] = take_file(config->tls.key, problems);
	self->files[GENERATION_CLIENT_CA] = take_file(config->tls.client_ca, problems);
	if (config->tls.crl != NULL)
		self->files[GENERATION_CRL] = take_file(config->tls.crl, problems);
	self->files[GENERATION_TICKET_KEYS] = take_ticket_keys(config, previous, problems);
	check(self, previous, config, problems);
	if (previous == NULL && config_checks_catalogues(config))
		catalogues_check_files(config, problems);
	return finish(self, previous, config, problems);
}

struct generation *
generation_build_catalogues(const struct config *config, uint64_t number,
    const struct generation *previous, struct problems *problems)
{
	struct generation *self = new_generation(number);

	for (int i = 0; i < GENERATION_FILES; i++) {
		if (i == GENERATION_CATALOGUES || previous->files[i] < 0)
			continue;
		self->files[i] = fcntl(previous->files[i], F_DUPFD_CLOEXEC, 0);
		if (self->files[i] < 0)
			problems_add(problems, config->file, 0,
			    "the generation in force cannot go on: %s", strerror(errno));
	}
	return finish(self, previous, config, problems);
}

bool
generation_has_new_catalogues(const struct generation *self, const struct config *config)
{
	struct catalogue_image *image = generation_catalogues(self);

	if (image == NULL)
		return config_checks_catalogues(config);
	struct policy *policy = open_checked_policy(self, config);
	bool changed = catalogues_have_changed(config, policy, image, time(NULL));
	policy_unref(policy);
	catalogue_image_free(image);
	return changed;
}

bool
generation_remember(
    const struct generation *self, const struct config *config, struct problems *problems)
{
	struct policy_state state;

	if (config->state_dir == NULL)
		return true;
	struct policy *policy = open_checked_policy(self, config);
	bool good = state_of(self, policy, config, &state, problems) &&
	            policy_state_write(config->state_dir, &state, problems);
	policy_unref(policy);
	return good;
}

void
generation_policy_change(const struct generation *old, const struct generation *new,
    const struct config *config, char text[GENERATION_CHANGE_MAX])
{
	struct policy *before = open_checked_policy(old, config);
	struct policy *after = open_checked_policy(new, config);
	unsigned long long was = policy_serial(before), is = policy_serial(after);
	char summary[POLICY_DIFF_SUMMARY_MAX];

	if (is == was) { /* and so is the content */
		(void)snprintf(text, GENERATION_CHANGE_MAX, "serial %llu unchanged", is);
	} else {
		policy_diff_summary(before, after, summary);
		(void)snprintf(
		    text, GENERATION_CHANGE_MAX, "serial %llu -> %llu: %s", was, is, summary);
	}
	policy_unref(before);
	policy_unref(after);
}

void
generation_close(struct generation *self)
{
	for (int i = 0; i < GENERATION_FILES; i++) {
		if (self->files[i] >= 0)
			close(self->files[i]);
		self->files[i] = -1;
	}
}

void
generation_free(struct generation *self)
{
	if (self == NULL)
		return;
	generation_close(self);
	free(self);
}
