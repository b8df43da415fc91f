/*
 * What was seen. The one hard part is that it is looked at and replaced under one lock: of two
 * processes that see two indexes at once, the lower one must not be written last.
 */
#include "index_seen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/common/file.h"
#include "client/common/seen.h"

static bool
may_follow(const struct index *old, const struct buffer *old_text, const struct index *new,
    const struct buffer *new_text, struct failure *failure)
{
	if (new->serial < old->serial)
		return failure_set(failure, FAILURE_CATALOGUE,
		    "the server offers index %llu of %s, and %llu is here already: it is behind",
		    (unsigned long long)new->serial, new->product, (unsigned long long)old->serial);
	bool same =
	    buffer_size(old_text) == buffer_size(new_text) &&
	    memcmp(buffer_bytes(old_text), buffer_bytes(new_text), buffer_size(new_text)) == 0;
	return new->serial > old->serial || same ||
	       failure_set(failure, FAILURE_CATALOGUE,
	           "the server offers another index %llu of %s than the one here",
	           (unsigned long long)new->serial, new->product);
}

bool
index_seen_may_follow(
    const char *name, const struct index *new, const struct buffer *text, struct failure *failure)
{
	struct buffer old_text = {0};
	struct index *old = NULL;
	bool done = access(name, F_OK) != 0 && errno == ENOENT;

	if (!done && file_read(name, INDEX_MAX_BYTES, &old_text, failure))
		old = index_read(&old_text, name, failure);
	if (!done && old == NULL && failure->kind == FAILURE_CATALOGUE)
		failure_set(
		    failure, FAILURE_LOCAL, "%s is damaged: remove it, and try again", name);
	if (old != NULL && strcmp(old->product, new->product) != 0)
		failure_set(failure, FAILURE_LOCAL, "%s is the index of %s, not of %s", name,
		    old->product, new->product);
	else if (old != NULL)
		done = may_follow(old, &old_text, new, text, failure);
	index_free(old);
	buffer_fini(&old_text);
	return done;
}

/* ---- the cache's memory ------------------------------------------------------------------- */

bool
index_seen_remember(
    const char *cache, const struct index *new, const struct buffer *text, struct failure *failure)
{
	char *name = buffer_text("%s/" SEEN_FOLDER "/%s", cache, new->product);
	int lock = seen_lock(cache, failure);
	bool done = lock >= 0 && index_seen_may_follow(name, new, text, failure) &&
	            file_write(name, text, failure);
	if (lock >= 0)
		close(lock);
	free(name);
	return done;
}

bool
index_seen_allows(
    const char *cache, const struct index *new, const struct buffer *text, struct failure *failure)
{
	char *name = buffer_text("%s/" SEEN_FOLDER "/%s", cache, new->product);
	bool allows = index_seen_may_follow(name, new, text, failure);

	free(name);
	return allows;
}

struct index *
index_seen_load(const char *cache, const char *product, struct failure *failure)
{
	char *name = buffer_text("%s/" SEEN_FOLDER "/%s", cache, product);
	struct buffer text = {0};
	struct index *index = NULL;

	if (file_read(name, INDEX_MAX_BYTES, &text, failure))
		index = index_read(&text, name, failure);
	if (index != NULL && strcmp(index->product, product) != 0) {
		failure_set(failure, FAILURE_LOCAL, "%s is the index of %s, not of %s", name,
		    index->product, product);
		index_free(index);
		index = NULL;
	}
	buffer_fini(&text);
	free(name);
	return index;
}

bool
index_seen_has(const char *cache, const char *product, bool *seen, struct failure *failure)
{
	char *name = buffer_text("%s/" SEEN_FOLDER "/%s", cache, product);
	bool done = true;

	*seen = access(name, F_OK) == 0;
	if (!*seen && errno != ENOENT)
		done = failure_errno(failure, "look at", name);
	free(name);
	return done;
}
