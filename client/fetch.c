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

#include "catalogue_load.h"
#include "fetch_file.h"
#include "file.h"
#include "install.h"
#include "licence.h"
#include "release.h"
#include "report.h"

static char *
join(const char *a, const char *b)
{
	char *text = NULL;
	if (asprintf(&text, "%s%s", a, b) < 0)
		abort();
	return text;
}

/* True when NEW may follow OLD: never an older version, and of the same one only with the same
 * files and no shorter life. Both are sorted. */
static bool
may_follow(const struct catalogue *old, const struct catalogue *new, struct failure *failure)
{
	int order = catalogue_compare_versions(new->version, old->version);

	if (order < 0)
		return failure_set(failure, FAILURE_CATALOGUE,
		    "the server offers version %s of %s, and %s is here already", new->version,
		    new->product, old->version);
	if (order > 0)
		return true;
	bool same = old->file_count == new->file_count &&strcmp(new->expires, old->expires) >= 0;
	for (size_t i = 0; i < new->file_count &&same; i++)
		same = strcmp(old->files[i].path, new->files[i].path) == 0 &&
		       strcmp(old->files[i].digest.sha256, new->files[i].digest.sha256) == 0;
	return same || failure_set(failure, FAILURE_CATALOGUE,
	                   "the server offers another catalogue of version %s than the one here",
	                   new->version);
}

/* Compares with the catalogue in the folder, if there is one. Its signature was checked when it was
 * put there; whoever can write to the folder needs no rollback. */
static bool
is_no_rollback(
    const struct fetch_order *order, const struct catalogue *new, struct failure *failure)
{
	char *name = join(order->folder, "/" CATALOGUE_NAME);
	struct catalogue *old = NULL;
	bool done = access(name, F_OK) != 0 && errno == ENOENT;

	if (!done)
		old = catalogue_load_file(name, failure);
	if (old != NULL) {
		done = strcmp(old->product, order->product) == 0 ||
		       failure_set(failure, FAILURE_LOCAL, "%s holds %s, not %s", order->folder,
		           old->product, order->product);
		done = done && (order->version != NULL || may_follow(old, new, failure));
	}
	catalogue_free(old);
	free(name);
	return done;
}

static bool
fetch_files(int root, const char *base, const struct release *release, struct https *https,
    struct failure *failure)
{
	const struct catalogue *catalogue = release->catalogue;
	size_t count = 0;
	bool done = true;

	unlinkat(root, CATALOGUE_PART_NAME, 0); /* of a process that was killed */
	for (size_t i = 0; i < catalogue->file_count && done; i++) {
		char *path = release_path(release, base, &catalogue->files[i]);
		bool loaded = false;
		done = fetch_file(root, &catalogue->files[i], path, https, &loaded, failure);
		count += loaded;
		free(path);
	}
	if (done)
		report_note("%s %s: %zu files, of which %zu were downloaded", catalogue->product,
		    catalogue->version, catalogue->file_count, count);
	return done;
}

/* All files are there by now. A crash between the two leaves a pair that does not fit; the next
 * fetch replaces it. */
static bool
put_catalogue(
    const struct fetch_order *order, const struct release *release, struct failure *failure)
{
	char *name = join(order->folder, "/" CATALOGUE_NAME);
	char *signature_name = join(order->folder, "/" CATALOGUE_SIGNATURE_NAME);
	bool done = file_write(signature_name, &release->signature, failure) &&
	            file_write(name, &release->text, failure);

	free(signature_name);
	free(name);
	return done;
}

static bool
fetch_into(int root, const struct fetch_order *order, struct https *https, struct failure *failure)
{
	const struct release_order wanted = {order->product, order->version, order->release};
	struct release release = {0};
	struct licence *licence = licence_get(https, failure);
	const char *base = NULL;

	if (licence != NULL)
		base = release_base(licence, order->product, failure);
	bool done = base != NULL && release_get(&release, &wanted, base, https, failure) &&
	            is_no_rollback(order, release.catalogue, failure) &&
	            fetch_files(root, base, &release, https, failure) &&
	            install_remember(order->cache, order->folder, failure) &&
	            put_catalogue(order, &release, failure);

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
fetch_product(const struct fetch_order *order, struct https *https, struct failure *failure)
{
	if (order->release == NULL)
		return failure_set(failure, FAILURE_CONFIGURATION,
		    "the configuration names no `release` certificate to check catalogues with");
	if (order->version != NULL && !catalogue_is_version(order->version))
		return failure_set(failure, FAILURE_USAGE, "not a version: %s", order->version);
	int root = open_root(order->folder, failure);
	if (root < 0)
		return false;
	bool done = fetch_into(root, order, https, failure);
	close(root);
	return done;
}
