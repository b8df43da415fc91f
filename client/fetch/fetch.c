/*
 * Fetching a version: licence, index, catalogue, files, and the catalogue put down.
 *
 * The hard part is a server that shows what is old and correctly signed: an index is compared with
 * the latest that was seen, and a version with the one that is in the folder.
 */
#include "fetch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_writer.h"
#include "client/cache/install.h"
#include "client/common/file.h"
#include "client/common/report.h"
#include "client/release/catalogue_load.h"
#include "client/release/index_get.h"
#include "client/release/licence.h"
#include "client/release/release.h"
#include "fetch_choice.h"
#include "fetch_folder.h"
#include "fetch_layout.h"
#include "fetch_recover.h"
#include "hook_due.h"
#include "installed.h"

/* Reads the catalogue in the folder into *OLD, if there is one: it must be of the same product. Its
 * signature was checked when it was put there; whoever can write to the folder needs no rollback.
 */
static bool
load_old(const struct fetch_order *order, struct catalogue **old, struct failure *failure)
{
	char *content = install_content(order->folder);
	char *name = buffer_text("%s/" CATALOGUE_NAME, content);
	bool done = access(name, F_OK) != 0 && errno == ENOENT;

	if (!done)
		*old = catalogue_load_file(name, failure);
	if (*old != NULL)
		done = strcmp((*old)->product, order->product) == 0 ||
		       failure_set(failure, FAILURE_LOCAL, "%s holds %s, not %s", order->folder,
		           (*old)->product, order->product);
	free(name);
	free(content);
	return done;
}

/* Who names a version may go back to it, but there is one of each. */
static bool
is_no_rollback(const struct fetch_order *order, const struct catalogue *new,
    const struct catalogue *old, struct failure *failure)
{
	if (old == NULL)
		return true;
	bool goes_back =
	    order->version != NULL && catalogue_compare_versions(new->version, old->version) < 0;
	return goes_back || catalogue_load_may_follow(old, new, failure);
}

/* What a fetch has in hand. */
struct fetching {
	const struct fetch_order *order;
	int root;
	struct cache *cache;
	struct https *https;
	const char *base;
	const struct catalogue *old;   /* of the version that is in the folder; NULL: none */
	struct fetch_outlook *outlook; /* NULL: it is done; else only found out */
};

/* Brings VERSION; NULL: the newest one of a product without an index. */
static bool
bring(const struct fetching *self, const char *version, struct fetch_result *result,
    struct failure *failure)
{
	const struct fetch_order *order = self->order;
	const struct release_order wanted = {
	    order->product, version, order->config->release, order->config->allow_sha1};
	struct release release = {0};

	bool done = release_get(&release, &wanted, self->base, self->https, failure) &&
	            is_no_rollback(order, release.catalogue, self->old, failure);
	if (done) {
		const struct fetch_files files = {self->root, order->folder, self->cache,
		    order->config->cache, order->folder, &release, self->base, self->old, self->old,
		    self->root, &order->config->hooks, self->outlook, &order->config->rights};
		done = fetch_layout_install(
		    &files, order->config->versions, self->https, result, failure);
	}
	release_fini(&release);
	return done;
}

/* The version that is there was withdrawn, and stays: it is not brought again, but looked at. */
static bool
keep(const struct fetching *self, const char *newest, struct fetch_result *result,
    struct failure *failure)
{
	const char *folder = self->order->folder;
	struct fetch_outlook *outlook = self->outlook;

	assert(self->old != NULL);
	report_note("warning: version %s of %s, which is installed in %s, has been withdrawn; "
	            "%s is the newest that is not, and comes when it is fetched by its number",
	    self->old->version, self->old->product, folder, newest);
	if (!installed_is_whole(folder, failure)) {
		struct failure first = *failure;
		return failure_set(failure, FAILURE_LOCAL,
		    "%.*s; but it has been withdrawn, and %s can be had instead",
		    FAILURE_TEXT_MAX - 200, first.text, newest);
	}
	result->version = buffer_strdup(self->old->version);
	result->files = result->kept = self->old->file_count;
	result->withdrawn = true;
	if (outlook != NULL) {
		outlook->to = buffer_strdup(self->old->version);
		outlook->withdrawn = outlook->complete = true;
		for (size_t i = 0; i < self->old->file_count; i++)
			outlook->kept.bytes += self->old->files[i].digest.size;
		outlook->kept.files = self->old->file_count;
	}
	return true;
}

static bool
fetch_chosen(const struct fetching *self, struct fetch_result *result, struct failure *failure)
{
	const struct fetch_order *order = self->order;
	struct index *index = NULL;
	const char *version = order->version;
	bool done = false;

	switch (
	    index_get(order->config, order->product, self->base, self->https, &index, failure)) {
	case INDEX_FOUND:
		break;
	case INDEX_NONE:
		return bring(self, version, result, failure);
	case INDEX_FAILED:
		return false;
	}
	switch (fetch_choice_make(index, &version, self->old, failure)) {
	case FETCH_CHOICE_BRING:
		done = bring(self, version, result, failure);
		break;
	case FETCH_CHOICE_KEEP:
		done = keep(self, index_newest(index), result, failure);
		break;
	case FETCH_CHOICE_REFUSE:
		break;
	}
	index_free(index);
	return done;
}

/* Gives what is in hand what it lacks: base and old. */
static bool
fetch_into(struct fetching *self, struct fetch_result *result, struct failure *failure)
{
	const struct fetch_order *order = self->order;
	struct catalogue *old = NULL;
	struct licence *licence = NULL;

	if (load_old(order, &old, failure))
		licence = licence_get(self->https, failure);
	if (licence != NULL)
		self->base = release_base(licence, order->product, failure);
	self->old = old;
	if (self->outlook != NULL && old != NULL)
		self->outlook->from = buffer_strdup(old->version);
	bool done = self->base != NULL && fetch_chosen(self, result, failure);
	catalogue_free(old);
	licence_free(licence);
	return done;
}

static bool
is_possible(const struct fetch_order *order, struct failure *failure)
{
	if (order->config->release == NULL)
		return failure_set(failure, FAILURE_CONFIGURATION,
		    "the configuration names no `release` certificate to check catalogues with");
	if (order->config->rights.owned && geteuid() != 0)
		return failure_set(failure, FAILURE_CONFIGURATION,
		    "only root can give files to an owner: `owner` and --owner are for root");
	return order->version == NULL || catalogue_is_version(order->version) ||
	       failure_set(failure, FAILURE_USAGE, "not a version: %s", order->version);
}

/* Ends what an earlier run has left half done in the folder NAME. What nobody may write to has
 * nothing of the kind. */
static bool
go_on(const struct fetch_folder *folder, const char *name, const struct config_hooks *hooks,
    struct failure *failure)
{
	return folder->lock < 0 || (fetch_recover(folder->root, name, failure) &&
	                               fetch_layout_recover(folder->root, name, failure) &&
	                               hook_due_resume(name, hooks, failure));
}

bool
fetch_product(const struct fetch_order *order, struct https *https, struct fetch_result *result,
    struct failure *failure)
{
	struct fetch_folder folder;
	if (!is_possible(order, failure) ||
	    !fetch_folder_open(&folder, order->folder, &order->config->rights, failure))
		return false;
	struct cache *cache = cache_open(order->config->cache, failure);
	struct fetching fetching = {
	    .order = order, .root = folder.root, .cache = cache, .https = https};
	bool done = cache != NULL &&
	            go_on(&folder, order->folder, &order->config->hooks, failure) &&
	            fetch_into(&fetching, result, failure);
	cache_close(cache);
	fetch_folder_close(&folder);
	return done;
}

bool
fetch_foresee(const struct fetch_order *order, struct https *https, struct fetch_outlook *outlook,
    struct failure *failure)
{
	struct fetch_folder folder;
	struct fetch_result result = {0};

	assert(order->config->looks);
	if (!is_possible(order, failure) ||
	    !fetch_folder_open_to_look(&folder, order->folder, failure))
		return false;
	struct cache *cache = cache_open_to_look(order->config->cache, failure);
	outlook->disk = file_open_nearest(order->folder);
	bool done = cache != NULL &&
	            (outlook->disk >= 0 || failure_errno(failure, "look at", order->folder));
	struct fetching fetching = {.order = order,
	    .root = folder.root,
	    .cache = cache,
	    .https = https,
	    .outlook = outlook};
	done = done && fetch_into(&fetching, &result, failure);
	fetch_result_fini(&result);
	if (outlook->disk >= 0)
		close(outlook->disk);
	cache_close(cache);
	fetch_folder_close(&folder);
	return done;
}

bool
fetch_rollback(const char *folder, const struct config_hooks *hooks, struct fetch_result *result,
    struct failure *failure)
{
	if (access(folder, F_OK) != 0)
		return failure_errno(failure, "open", folder);
	struct fetch_folder own;
	if (!fetch_folder_open(&own, folder, &(struct rights){0}, failure))
		return false;
	bool done = go_on(&own, folder, hooks, failure) &&
	            fetch_layout_rollback(own.root, folder, hooks, result, failure);
	fetch_folder_close(&own);
	return done;
}

void
fetch_result_fini(struct fetch_result *result)
{
	free(result->version);
	buffer_fini(&result->beside);
	*result = (struct fetch_result){0};
}

void
fetch_print_json(
    const struct fetch_order *order, const struct fetch_result *result, struct buffer *out)
{
	buffer_append(out, "{", 1);
	json_writer_member(out, "product", order->product);
	json_writer_member(out, "version", result->version);
	json_writer_member(out, "folder", order->folder);
	json_writer_number(out, "files", result->files);
	json_writer_number(out, "kept", result->kept);
	json_writer_number(out, "removed", result->removed);
	json_writer_number(out, "from_cache", fetch_files_cached(result));
	json_writer_number(out, "downloaded", result->loaded.files);
	json_writer_number(out, "downloaded_bytes", result->loaded.bytes);
	json_writer_key(out, "beside");
	buffer_printf(out, "[%.*s]", (int)buffer_size(&result->beside),
	    result->beside.data != NULL ? buffer_bytes(&result->beside) : "");
	json_writer_key(out, "withdrawn");
	buffer_printf(out, "%s", result->withdrawn ? "true" : "false");
	buffer_append(out, "}", 1);
}
