/*
 * Mirroring a product.
 *
 * The hard part is the order: versions first, then the files that name them, and deletions last, so
 * that whoever follows a name finds what it stands for. And a server that shows an old index,
 * correctly signed, is noticed by its serial.
 */
#include "mirror_product.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/release/index.h"
#include "client/release/index_seen.h"
#include "client/release/signed.h"
#include "mirror_removal.h"

/* ---- the index ---------------------------------------------------------------------------- */

/* Compares with the index in place, and with the last one that was followed: while a version is
 * missing that is a newer one. */
static bool
is_newest(const struct mirror_copy *copy, const struct index *new, const struct buffer *new_text,
    struct failure *failure)
{
	char *in_place = mirror_tree_name(copy->tree, copy->base, INDEX_NAME);
	char *last = buffer_text(
	    "%s/" MIRROR_MEMORY_INDEXES "/%s", mirror_tree_own(copy->tree), copy->product);
	bool done = index_seen_may_follow(in_place, new, new_text, failure) &&
	            index_seen_may_follow(last, new, new_text, failure);

	free(last);
	free(in_place);
	return done;
}

/* Gets the index into PAIR, which is zeroed; NULL unless it may be followed. */
static struct index *
get_index(const struct mirror_copy *copy, struct signed_text *pair, struct failure *failure)
{
	char *path = buffer_text("%s" INDEX_NAME, copy->base);
	struct index *index = NULL;

	if (signed_get(pair, path, INDEX_MAX_BYTES, copy->config->release, copy->https, failure))
		index = index_read(&pair->text, path, failure);
	else if (failure->kind == FAILURE_NOT_FOUND)
		failure_set(failure, FAILURE_NOT_FOUND,
		    "the server has no index of %s, by which it could be mirrored: %s",
		    copy->product, path);
	bool good = index != NULL;
	if (good && strcmp(index->product, copy->product) != 0)
		good = failure_set(failure, FAILURE_CATALOGUE, "%s is the index of %s, not of %s",
		    path, index->product, copy->product);
	good = good && index_is_current(index, failure) &&
	       is_newest(copy, index, &pair->text, failure);
	if (!good) {
		index_free(index);
		index = NULL;
	}
	free(path);
	return index;
}

/* ---- the versions ------------------------------------------------------------------------- */

/* Puts TEXT and SIGNATURE beside the versions. Who reads between the two asks again. */
static bool
put_pair(const struct mirror_copy *copy, const char *name, const struct buffer *text,
    const struct buffer *signature, struct failure *failure)
{
	char *signature_name = buffer_text("%s" SIGNED_SUFFIX, name);
	const struct mirror_tree_file files[] = {{name, text}, {signature_name, signature}};
	bool done = mirror_tree_put(copy->tree, copy->folder, files, 2, failure);
	free(signature_name);
	return done;
}

/* What came of the versions. */
struct progress {
	struct release newest; /* zeroed unless the newest version was copied */
	size_t absent; /* versions that are not in place, not even with an older catalogue */
	bool ended;    /* by a failure that would meet all others, too */
};

static void
copy_version(const struct mirror_copy *copy, const char *version, struct progress *progress)
{
	struct failure failure = {0};

	release_fini(&progress->newest);
	if (mirror_copy_version(copy, version, &progress->newest, &failure))
		return;
	release_fini(&progress->newest);
	mirror_report_fail(copy->report, version, &failure);
	progress->absent += !mirror_copy_is_there(copy->tree, copy->base, copy->product, version);
	progress->ended = failure_ends_all(&failure);
}

/* The index ascends: the last one is the newest. */
static bool
copy_versions(const struct mirror_copy *copy, const struct index *index,
    struct mirror_memory *memory, struct progress *progress, struct failure *failure)
{
	for (size_t i = 0; i < index->version_count && !progress->ended; i++) {
		if (!mirror_memory_keep_version(
		        memory, copy->product, copy->base, index->versions[i], failure))
			return false;
		copy_version(copy, index->versions[i], progress);
	}
	return true;
}

/* The newest version is told to clients even when an older one is missing; the index, which tells
 * other mirrors of all of them, is not, and nothing is deleted before it is. */
static bool
finish(const struct mirror_copy *copy, const struct index *index, const struct signed_text *pair,
    struct mirror_memory *memory, const struct progress *progress, struct failure *failure)
{
	if (progress->newest.catalogue == NULL)
		return true;
	if (!put_pair(
	        copy, CATALOGUE_NAME, &progress->newest.text, &progress->newest.signature, failure))
		return false;
	if (progress->absent > 0)
		return true;
	return put_pair(copy, INDEX_NAME, &pair->text, &pair->signature, failure) &&
	       mirror_removal_versions(memory, index, copy->base, failure);
}

static bool
follow(const struct mirror_copy *copy, const struct index *index, const struct signed_text *pair,
    struct mirror_memory *memory, struct progress *progress, struct failure *failure)
{
	struct mirror_copy in_folder = *copy;

	if (!mirror_memory_keep_product(memory, copy->product, copy->base, failure) ||
	    !mirror_memory_keep_index(memory, copy->product, &pair->text, failure))
		return false;
	in_folder.folder = mirror_tree_make(copy->tree, copy->base, failure);
	if (in_folder.folder < 0)
		return false;
	bool done = copy_versions(&in_folder, index, memory, progress, failure) &&
	            (progress->ended || finish(&in_folder, index, pair, memory, progress, failure));
	close(in_folder.folder);
	return done;
}

bool
mirror_product(const struct mirror_copy *copy, struct mirror_memory *memory)
{
	struct signed_text pair = {0};
	struct progress progress = {0};
	struct failure failure = {0};

	struct index *index = get_index(copy, &pair, &failure);
	bool done = index != NULL && follow(copy, index, &pair, memory, &progress, &failure);
	if (!done)
		mirror_report_fail(copy->report, NULL, &failure);
	bool ended = progress.ended || (!done && failure_ends_all(&failure));
	release_fini(&progress.newest);
	index_free(index);
	signed_fini(&pair);
	return !ended;
}
