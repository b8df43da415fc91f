/*
 * Fetching a version: licence, catalogue, files, and the catalogue put down.
 *
 * The hard part is a server that shows an old catalogue, correctly signed: its version is compared
 * with the one that is in the folder.
 */
#include "fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../policy/json_writer.h"
#include "catalogue_load.h"
#include "fetch_file.h"
#include "install.h"
#include "licence.h"
#include "release.h"

/* Reads the catalogue in the folder into *OLD, if there is one, and makes sure that NEW may follow.
 * The signature of the old one was checked when it was put there; whoever can write to the folder
 * needs no rollback. */
static bool
is_no_rollback(const struct fetch_order *order, const struct catalogue *new, struct catalogue **old,
    struct failure *failure)
{
	char *name = buffer_text("%s/" CATALOGUE_NAME, order->folder);
	bool done = access(name, F_OK) != 0 && errno == ENOENT;

	if (!done)
		*old = catalogue_load_file(name, failure);
	if (*old != NULL) {
		done = strcmp((*old)->product, order->product) == 0 ||
		       failure_set(failure, FAILURE_LOCAL, "%s holds %s, not %s", order->folder,
		           (*old)->product, order->product);
		/* Who names a version may go back to it, but there is one of each. */
		bool goes_back = order->version != NULL &&
		                 catalogue_compare_versions(new->version, (*old)->version) < 0;
		done = done && (goes_back || catalogue_load_may_follow(*old, new, failure));
	}
	free(name);
	return done;
}

/* All files are there by now. A crash between the two leaves a pair that does not fit; the next
 * fetch replaces it. */
static bool
put_catalogue(int root, const struct release *release, struct failure *failure)
{
	return fetch_file_put_text(root, CATALOGUE_SIGNATURE_NAME, &release->signature, failure) &&
	       fetch_file_put_text(root, CATALOGUE_NAME, &release->text, failure);
}

static bool
put_down(const struct fetch_files *files, const struct fetch_order *order, struct https *https,
    struct fetch_result *result, struct failure *failure)
{
	bool done = fetch_files(files, https, result, failure) &&
	            install_remember(order->config->cache, order->folder, failure) &&
	            put_catalogue(files->root, files->release, failure);

	if (done)
		fetch_files_settled(files);
	return done;
}

static bool
fetch_into(int root, const struct fetch_order *order, struct cache *cache, struct https *https,
    struct fetch_result *result, struct failure *failure)
{
	const struct release_order wanted = {
	    order->product, order->version, order->config->release, order->config->allow_sha1};
	struct release release = {0};
	struct catalogue *old = NULL;
	struct licence *licence = licence_get(https, failure);
	const char *base = NULL;

	if (licence != NULL)
		base = release_base(licence, order->product, failure);
	bool done = base != NULL && release_get(&release, &wanted, base, https, failure) &&
	            is_no_rollback(order, release.catalogue, &old, failure);
	if (done) {
		const struct fetch_files files = {root, order->folder, cache, &release, base, old};
		done = put_down(&files, order, https, result, failure);
	}
	catalogue_free(old);
	release_fini(&release);
	licence_free(licence);
	return done;
}

/* The folder, made when it is not there, and ours alone until it is closed. */
static int
open_root(const char *folder, struct failure *failure)
{
	int root = -1;

	if (mkdir(folder, 0755) == 0 || errno == EEXIST)
		root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0) {
		failure_set(failure, FAILURE_LOCAL, "cannot open %s: %s", folder, strerror(errno));
	} else if (flock(root, LOCK_EX | LOCK_NB) != 0) {
		failure_set(failure, FAILURE_LOCAL, "another spot is at work in %s", folder);
		close(root);
		root = -1;
	}
	return root;
}

bool
fetch_product(const struct fetch_order *order, struct https *https, struct fetch_result *result,
    struct failure *failure)
{
	if (order->config->release == NULL)
		return failure_set(failure, FAILURE_CONFIGURATION,
		    "the configuration names no `release` certificate to check catalogues with");
	if (order->version != NULL && !catalogue_is_version(order->version))
		return failure_set(failure, FAILURE_USAGE, "not a version: %s", order->version);
	int root = open_root(order->folder, failure);
	if (root < 0)
		return false;
	struct cache *cache = cache_open(order->config->cache, failure);
	bool done = cache != NULL && fetch_into(root, order, cache, https, result, failure);
	cache_close(cache);
	close(root);
	return done;
}

void
fetch_result_fini(struct fetch_result *result)
{
	free(result->version);
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
	buffer_append(out, "}", 1);
}
