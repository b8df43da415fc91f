/*
 * Layouts. The hard part is that `current` stands for a whole version at each moment: a version is
 * complete in its own folder before the link is made, and the link is exchanged, never removed.
 */
#include "fetch_layout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/common/report.h"
#include "client/release/catalogue_load.h"
#include "fetch_file.h"
#include "fetch_recover.h"
#include "hooks.h"
#include "installed.h"

#define NEW_LINK CATALOGUE_PART_NAME ".link"

/* Where the link NAME leads, when that is a version's folder beside it; "" else. */
static void
read_link(int root, const char *name, char target[NAME_MAX + 1])
{
	ssize_t len = readlinkat(root, name, target, NAME_MAX);

	target[len > 0 ? len : 0] = '\0';
	if (!catalogue_is_version(target))
		target[0] = '\0';
}

static bool
make_link(int root, const char *target, const char *name)
{
	(void)unlinkat(root, NEW_LINK, 0);
	return symlinkat(target, root, NEW_LINK) == 0 && renameat(root, NEW_LINK, root, name) == 0;
}

/* One step where the file system can, else one for each link. */
static bool
exchange(int root, const char *current, const char *previous)
{
	if (renameat2(root, LAYOUT_CURRENT, root, LAYOUT_PREVIOUS, RENAME_EXCHANGE) == 0)
		return true;
	return (errno == EINVAL || errno == ENOSYS) && make_link(root, previous, LAYOUT_CURRENT) &&
	       make_link(root, current, LAYOUT_PREVIOUS);
}

/* Makes VERSION the current one. */
static bool
switch_to(int root, const char *folder, const char *version, struct failure *failure)
{
	char current[NAME_MAX + 1];
	bool done;

	read_link(root, LAYOUT_CURRENT, current);
	if (strcmp(current, version) == 0)
		return true;
	if (current[0] == '\0')
		done = make_link(root, version, LAYOUT_CURRENT);
	else
		done =
		    make_link(root, version, LAYOUT_PREVIOUS) && exchange(root, current, version);
	return (done && fsync(root) == 0) || failure_errno(failure, "change the links in", folder);
}

/* ---- versions that nothing leads to ---------------------------------------------------------- */

/* Removes the version in the folder NAME, whose catalogue is CATALOGUE. */
static void
remove_version(int root, const char *folder, const char *name, const struct catalogue *catalogue)
{
	struct fetch_names *nothing = fetch_names_new(NULL);
	int version = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	for (size_t i = 0; version >= 0 && i < catalogue->file_count; i++)
		(void)fetch_file_remove(version, &catalogue->files[i], nothing);
	if (version >= 0) {
		unlinkat(version, CATALOGUE_SIGNATURE_NAME, 0);
		unlinkat(version, CATALOGUE_NAME, 0);
		close(version);
	}
	if (unlinkat(root, name, AT_REMOVEDIR) != 0)
		report_note("%s/%s is left alone: what is left in it is not of %s %s", folder, name,
		    catalogue->product, catalogue->version);
	fetch_names_free(nothing);
}

/* With OUTLOOK, what would go is only counted. */
static void
remove_if_ours(int root, const char *folder, const char *name, const char *product,
    struct fetch_outlook *outlook)
{
	struct failure unreadable;
	char *file = buffer_text("%s/%s/" CATALOGUE_NAME, folder, name);
	struct catalogue *catalogue =
	    access(file, F_OK) == 0 ? catalogue_load_file(file, &unreadable) : NULL;

	bool ours = catalogue != NULL && strcmp(catalogue->product, product) == 0;
	if (ours && outlook != NULL) {
		int version = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		fetch_outlook_count_removed(outlook, version, catalogue);
		if (version >= 0)
			close(version);
	} else if (ours) {
		remove_version(root, folder, name, catalogue);
	}
	catalogue_free(catalogue);
	free(file);
}

/* All but CURRENT and PREVIOUS. */
static void
prune(const struct fetch_files *order, const char *current, const char *previous)
{
	int root = order->root;
	int again = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = again >= 0 ? fdopendir(again) : NULL;
	const struct dirent *entry;

	if (stream == NULL && again >= 0)
		close(again);
	/* cppcheck-suppress readdirCalled ; the stream is this call's own */
	while (stream != NULL && (entry = readdir(stream)) != NULL) {
		if (catalogue_is_version(entry->d_name) && strcmp(entry->d_name, current) != 0 &&
		    strcmp(entry->d_name, previous) != 0)
			remove_if_ours(root, order->folder, entry->d_name,
			    order->release->catalogue->product, order->outlook);
	}
	if (stream != NULL)
		closedir(stream);
}

/* ---- installing ------------------------------------------------------------------------------ */

/* What is in the version's own folder already, from a run that was cut or from before. */
static bool
load_there(const char *folder, struct catalogue **there, struct failure *failure)
{
	char *file = buffer_text("%s/" CATALOGUE_NAME, folder);
	bool absent = access(file, F_OK) != 0;

	if (!absent)
		*there = catalogue_load_file(file, failure);
	free(file);
	return absent || *there != NULL;
}

/* After a version's folder in ROOT could not be opened. */
static bool
is_absent(int root)
{
	return root < 0 || errno == ENOENT;
}

static bool
is_current(int root, const char *version)
{
	char current[NAME_MAX + 1];

	read_link(root, LAYOUT_CURRENT, current);
	return strcmp(current, version) == 0;
}

static bool
make_version(const struct fetch_files *order, const char *version)
{
	return mkdirat(order->root, version, 0755) == 0
	           ? rights_give_folder(order->rights, order->root, version)
	           : errno == EEXIST;
}

static bool
fill_version(const struct fetch_files *order, struct https *https, struct fetch_result *result,
    struct failure *failure)
{
	const char *version = order->release->catalogue->version;
	char *folder = buffer_text("%s/%s", order->folder, version);
	struct fetch_files own = *order;
	struct catalogue *there = NULL;

	own.folder = folder;
	own.old = NULL;
	if (!is_current(order->root, version))
		own.hooks = NULL;
	own.root = -1;
	if (order->outlook != NULL || make_version(order, version))
		own.root =
		    openat(order->root, version, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool done = own.root >= 0 || (order->outlook != NULL && is_absent(order->root)) ||
	            failure_errno(failure, "make", folder);
	done = done &&
	       (order->outlook != NULL || fetch_recover(own.root, folder, own.hooks, failure)) &&
	       load_there(folder, &there, failure);
	own.old = there;
	done = done && fetch_files(&own, https, result, failure);
	if (own.root >= 0)
		close(own.root);
	catalogue_free(there);
	free(folder);
	return done;
}

static bool
has(int root, const char *name)
{
	return faccessat(root, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Makes the version of ORDER, which is whole in its folder, the current one, between the hooks. */
static bool
change_to(const struct fetch_files *order, const char *current, struct failure *failure)
{
	const struct catalogue *catalogue = order->release->catalogue;
	char *staged = buffer_text("%s/%s", order->folder, catalogue->version);
	const struct hooks_event event = {.product = catalogue->product,
	    .old_version = current[0] != '\0' ? current : NULL,
	    .new_version = catalogue->version,
	    .folder = order->folder,
	    .staged = staged};

	bool done = hooks_run_before(order->hooks, &event, failure) &&
	            switch_to(order->root, order->folder, catalogue->version, failure);
	if (done)
		prune(order, catalogue->version, current);
	done = done && hooks_run_after(order->hooks, &event, current[0] != '\0', failure);
	free(staged);
	return done;
}

bool
fetch_layout_install(const struct fetch_files *order, bool versions, struct https *https,
    struct fetch_result *result, struct failure *failure)
{
	const struct catalogue *catalogue = order->release->catalogue;
	char current[NAME_MAX + 1], previous[NAME_MAX + 1];

	read_link(order->root, LAYOUT_CURRENT, current);
	if (current[0] == '\0' && (!versions || has(order->root, CATALOGUE_NAME))) {
		if (versions)
			report_note("warning: %s is installed in place, and stays so: `layout: "
			            "versions` is for new folders",
			    order->folder);
		return fetch_files(order, https, result, failure);
	}
	if (!fill_version(order, https, result, failure))
		return false;
	if (order->outlook != NULL && strcmp(current, catalogue->version) != 0) {
		prune(order, catalogue->version, current);
		return true;
	}
	if (strcmp(current, catalogue->version) != 0)
		return change_to(order, current, failure);
	read_link(order->root, LAYOUT_PREVIOUS, previous);
	prune(order, catalogue->version, previous);
	return true;
}

/* ---- going back ------------------------------------------------------------------------------ */

static bool
exchange_synced(int root, const char *folder, const char *current, const char *previous,
    struct failure *failure)
{
	return (exchange(root, current, previous) && fsync(root) == 0) ||
	       failure_errno(failure, "change the links in", folder);
}

/* Makes PREVIOUS, in the folder STAGED, the current version, between the hooks. */
static bool
go_back(int root, const struct config_hooks *hooks, const struct hooks_event *event,
    struct failure *failure)
{
	return installed_is_whole(event->staged, failure) &&
	       hooks_run_before(hooks, event, failure) &&
	       exchange_synced(
	           root, event->folder, event->old_version, event->new_version, failure);
}

/* The product in the folder NAME; the caller frees it. NULL with FAILURE filled. */
static char *
product_in(const char *name, struct failure *failure)
{
	char *file = buffer_text("%s/" CATALOGUE_NAME, name);
	struct catalogue *catalogue = catalogue_load_file(file, failure);
	char *product = catalogue != NULL ? buffer_strdup(catalogue->product) : NULL;

	catalogue_free(catalogue);
	free(file);
	return product;
}

bool
fetch_layout_rollback(int root, const char *folder, const struct config_hooks *hooks,
    struct fetch_result *result, struct failure *failure)
{
	char current[NAME_MAX + 1], previous[NAME_MAX + 1];

	read_link(root, LAYOUT_CURRENT, current);
	read_link(root, LAYOUT_PREVIOUS, previous);
	if (current[0] == '\0')
		return failure_set(failure, FAILURE_LOCAL,
		    "%s has no versions side by side: fetch the one that is wanted by its number",
		    folder);
	if (previous[0] == '\0' || strcmp(current, previous) == 0)
		return failure_set(failure, FAILURE_LOCAL,
		    "%s has no version but %s: fetch the one that is wanted by its number", folder,
		    current);
	char *there = buffer_text("%s/%s", folder, previous);
	char *product = product_in(there, failure);
	const struct hooks_event event = {product, current, previous, folder, there};
	bool done = product != NULL && go_back(root, hooks, &event, failure);
	if (done) {
		result->version = buffer_strdup(previous);
		report_note("%s is %s again; it was %s", folder, previous, current);
		done = hooks_run_after(hooks, &event, true, failure);
	}
	free(product);
	free(there);
	return done;
}
