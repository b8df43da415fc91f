/* The lists in use, as one global: a check that had to be handed through every layer could be
 * forgotten in one. */
#include "revocation.h"

#include <assert.h>

#include "file.h"

enum { CA_MAX_BYTES = 1024 * 1024 };

static struct crl_set *in_use;

struct crl_set *
revocation_read_text(
    const struct buffer *text, const char *name, const char *ca, struct failure *failure)
{
	struct buffer ca_text = {0};
	char error[PEM_ERROR_MAX];
	struct crl_set *set = NULL;

	if (!file_read(ca, CA_MAX_BYTES, &ca_text, failure)) {
		failure->kind = FAILURE_CONFIGURATION;
		return NULL;
	}
	const struct pem lists = {
	    name, text->data != NULL ? buffer_bytes(text) : "", buffer_size(text)};
	const struct pem cas = {
	    ca, ca_text.data != NULL ? buffer_bytes(&ca_text) : "", buffer_size(&ca_text)};
	set = crl_set_read(&lists, &cas, error);
	if (set == NULL)
		failure_set(failure, FAILURE_REVOCATION, "%s", error);
	buffer_fini(&ca_text);
	return set;
}

struct crl_set *
revocation_read(const char *file, const char *ca, struct failure *failure)
{
	struct buffer text = {0};
	struct crl_set *set = NULL;

	if (file_read(file, REVOCATION_MAX_BYTES, &text, failure))
		set = revocation_read_text(&text, file, ca, failure);
	else
		failure->kind = FAILURE_REVOCATION;
	buffer_fini(&text);
	return set;
}

bool
revocation_is_good(const struct crl_set *set, struct failure *failure)
{
	char error[PEM_ERROR_MAX];

	return crl_set_is_good(set, error) || failure_set(failure, FAILURE_REVOCATION, "%s", error);
}

void
revocation_use(struct crl_set *set)
{
	assert(in_use == NULL);
	in_use = set;
}

bool
revocation_use_file(const char *file, const char *ca, struct failure *failure)
{
	struct crl_set *set = revocation_read(file, ca, failure);

	if (set == NULL)
		return false;
	if (!revocation_is_good(set, failure)) {
		crl_set_free(set);
		return false;
	}
	revocation_use(set);
	return true;
}

const struct crl_set *
revocation_in_use(void)
{
	return in_use;
}

void
revocation_fini(void)
{
	crl_set_free(in_use);
	in_use = NULL;
}
