/*
 * Getting an index. The hard part is who is to blame: a mirror that is behind, or was made to be,
 * keeps nobody from the next one, while a network that fails was tried on all servers already.
 */
#include "index_get.h"

#include <stdlib.h>
#include <string.h>

#include "client/common/report.h"
#include "index_seen.h"
#include "signed.h"

struct search {
	const struct config *config;
	const char *product;
	char *path;
	struct https *https;
};

/* The server says that there is no index; TEXT is what came of it without a signature, if anything.
 * Whoever could hide an index could show a withdrawn version for ever. */
static enum index_result
judge_absence(const struct search *self, const struct buffer *text, struct failure *failure)
{
	const char *server = https_server(self->https);
	bool seen = false;

	if (buffer_size(text) > 0)
		failure_set(failure, FAILURE_CATALOGUE, "%s has %s, but not its signature", server,
		    self->path);
	else if (!index_seen_has(self->config->cache, self->product, &seen, failure))
		return INDEX_FAILED;
	else if (seen)
		failure_set(failure, FAILURE_CATALOGUE,
		    "%s has no index of %s, of which there was one before: %s", server,
		    self->product, self->path);
	else if (self->config->index_required)
		failure_set(failure, FAILURE_CATALOGUE,
		    "%s has no index of %s, which `index: required` asks for: %s", server,
		    self->product, self->path);
	else
		return INDEX_NONE;
	return INDEX_FAILED;
}

/* Puts the server in front of what is wrong with its index. */
static void
blame_server(const struct search *self, struct failure *failure)
{
	struct failure plain = *failure;

	if (plain.kind == FAILURE_CATALOGUE)
		failure_set(failure, FAILURE_CATALOGUE, "%s: %.*s", https_server(self->https),
		    FAILURE_TEXT_MAX - 300, plain.text);
}

static struct index *
read_index(const struct search *self, const struct signed_text *pair, struct failure *failure)
{
	struct index *index = index_read(&pair->text, self->path, failure);
	bool good = index != NULL;

	if (good && strcmp(index->product, self->product) != 0)
		good = failure_set(failure, FAILURE_CATALOGUE, "%s is the index of %s, not of %s",
		    self->path, index->product, self->product);
	bool (*see)(const char *, const struct index *, const struct buffer *, struct failure *) =
	    self->config->looks ? index_seen_allows : index_seen_remember;
	good = good && index_is_current(index, failure) &&
	       see(self->config->cache, index, &pair->text, failure);
	if (!good) {
		index_free(index);
		index = NULL;
	}
	return index;
}

/* Asks one server, as long as none fails in a way that passes. */
static enum index_result
ask(const struct search *self, struct index **index, struct failure *failure)
{
	struct signed_text pair = {0};
	enum index_result result = INDEX_FAILED;

	if (signed_get(
	        &pair, self->path, INDEX_MAX_BYTES, self->config->release, self->https, failure)) {
		*index = read_index(self, &pair, failure);
		result = *index != NULL ? INDEX_FOUND : INDEX_FAILED;
		if (*index == NULL)
			blame_server(self, failure);
	} else if (failure->kind == FAILURE_NOT_FOUND) {
		result = judge_absence(self, &pair.text, failure);
	} else {
		blame_server(self, failure);
	}
	signed_fini(&pair);
	return result;
}

static enum index_result
ask_all(const struct search *self, struct index **index, struct failure *failure)
{
	struct failure first = {0};
	size_t count = self->config->server_count;

	for (size_t i = 0; i < count; i++) {
		enum index_result result = ask(self, index, failure);
		/* That another server has none makes nothing better. */
		if (result == INDEX_FOUND || (result == INDEX_NONE && i == 0))
			return result;
		if (i == 0)
			first = *failure;
		if (result != INDEX_NONE && failure->kind != FAILURE_CATALOGUE)
			break;
		if (i + 1 < count && result != INDEX_NONE)
			report_note("%s; asking the next server", failure->text);
		https_pass_over(self->https);
	}
	*failure = first;
	return INDEX_FAILED;
}

enum index_result
index_get(const struct config *config, const char *product, const char *base, struct https *https,
    struct index **index, struct failure *failure)
{
	const struct search self = {config, product, buffer_text("%s" INDEX_NAME, base), https};

	*index = NULL;
	https_forget_passed_over(https);
	enum index_result result = ask_all(&self, index, failure);
	free(self.path);
	return result;
}
