/*
 * Layouts. The hard part is that `current` stands for a whole version at each moment: a version is
 * complete in its own folder before the link is made, and the link is exchanged, never removed.
 */
#include "fetch_layout.h"

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
#include "fetch_carry.h"
#include "fetch_file.h"
#include "fetch_prune.h"
#include "fetch_recover.h"
#include "hook_due.h"
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

/* Once the link is exchanged, it is, whatever the disk says then. */
static void
sync_links(int root, const char *folder)
{
	if (fsync(root) != 0)
		report_note("warning: %s: the change of its links may not outlive a power failure: "
		            "%s",
		    folder, strerror(errno));
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
	if (done)
		sync_links(root, folder);
	return done || failure_errno(failure, "change the links in", folder);
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
make_version(const struct fetch_files *order, const char *version)
{
	return mkdirat(order->root, version, 0755) == 0
	           ? rights_give_folder(order->rights, order->root, version)
	           : errno == EEXIST;
}

/* What is carried into the folder of OWN from the version that it follows, in the folder NAME. */
static struct fetch_carry
carry_of(const struct fetch_files *own, const char *name)
{
	return (struct fetch_carry){.from = own->before_root,
	    .to = own->root,
	    .from_name = name,
	    .to_name = own->folder,
	    .old = own->before,
	    .catalogue = own->release->catalogue,
	    .rights = own->rights};
}

/* What was edited in the version CURRENT, which OWN follows, is brought into the folder of OWN; or
 * only told. */
static bool
carry_over(const struct fetch_files *own, const char *current, struct failure *failure)
{
	char *name = buffer_text("%s/%s", own->record, current);
	const struct fetch_carry carry = carry_of(own, name);
	bool done = true;

	if (own->outlook != NULL)
		fetch_carry_foresee(&carry, own->outlook);
	else if ((done = fetch_carry_run(&carry, failure)))
		fetch_carry_tell_others(&carry);
	free(name);
	return done;
}

/* After a version that did not come: nothing of what was carried over, and no empty folder, is left
 * of it. */
static void
forget_version(const struct fetch_files *own, int root, const char *version)
{
	if (own->outlook != NULL)
		return;
	if (own->old == NULL && own->before != NULL && own->before_root >= 0) {
		const struct fetch_carry carry = carry_of(own, "");
		fetch_carry_undo(&carry);
	}
	unlinkat(root, version, AT_REMOVEDIR);
}

/* Has OWN, the order for a version's own folder in which THERE is already, follow the version
 * CURRENT, "" when there is none, of ORDER. */
static bool
follow(struct fetch_files *own, const struct fetch_files *order, const char *current,
    const struct catalogue *there, struct failure *failure)
{
	own->old = own->before = there;
	own->before_root = own->root;
	if (order->old == NULL || current[0] == '\0' ||
	    strcmp(current, own->release->catalogue->version) == 0)
		return true;
	own->before = order->old;
	own->before_root =
	    openat(order->root, current, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return own->before_root >= 0 ? carry_over(own, current, failure)
	                             : failure_errno(failure, "open", current);
}

static bool
fill_version(const struct fetch_files *order, const char *current, struct https *https,
    struct fetch_result *result, struct failure *failure)
{
	const char *version = order->release->catalogue->version;
	char *folder = buffer_text("%s/%s", order->folder, version);
	struct fetch_files own = *order;
	struct catalogue *there = NULL;

	own.folder = folder;
	own.before_root = -1;
	if (strcmp(current, version) != 0)
		own.hooks = NULL;
	own.root = -1;
	if (order->outlook != NULL || make_version(order, version))
		own.root =
		    openat(order->root, version, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool done = own.root >= 0 || (order->outlook != NULL && is_absent(order->root)) ||
	            failure_errno(failure, "make", folder);
	done = done && (order->outlook != NULL || fetch_recover(own.root, folder, failure)) &&
	       load_there(folder, &there, failure);
	done = done && follow(&own, order, current, there, failure) &&
	       fetch_files(&own, https, result, failure);
	if (!done)
		forget_version(&own, order->root, version);
	if (own.before_root >= 0 && own.before_root != own.root)
		close(own.before_root);
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
	            hook_due_note(order->hooks, &event, failure) &&
	            switch_to(order->root, order->folder, catalogue->version, failure);
	if (!done)
		hook_due_forget(order->folder);
	else
		fetch_prune_versions(order, catalogue->version, current);
	done = done && hook_due_run(order->hooks, &event, current[0] != '\0', failure);
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
	if (!fill_version(order, current, https, result, failure))
		return false;
	if (order->outlook != NULL && strcmp(current, catalogue->version) != 0) {
		fetch_prune_versions(order, catalogue->version, current);
		return true;
	}
	if (strcmp(current, catalogue->version) != 0)
		return change_to(order, current, failure);
	read_link(order->root, LAYOUT_PREVIOUS, previous);
	fetch_prune_versions(order, catalogue->version, previous);
	return true;
}

bool
fetch_layout_recover(int root, const char *folder, struct failure *failure)
{
	char current[NAME_MAX + 1];

	read_link(root, LAYOUT_CURRENT, current);
	int version = current[0] != '\0'
	                  ? openat(root, current, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
	                  : -1;
	if (version < 0)
		return true; /* then nothing that was cut is there */
	char *name = buffer_text("%s/%s", folder, current);
	bool done = fetch_recover(version, name, failure);
	close(version);
	free(name);
	return done;
}

/* ---- going back ------------------------------------------------------------------------------ */

static bool
exchange_synced(int root, const char *folder, const char *current, const char *previous,
    struct failure *failure)
{
	if (!exchange(root, current, previous))
		return failure_errno(failure, "change the links in", folder);
	sync_links(root, folder);
	return true;
}

/* Makes PREVIOUS, in the folder STAGED, the current version, between the hooks. */
static bool
go_back(int root, const struct config_hooks *hooks, const struct hooks_event *event,
    struct failure *failure)
{
	return installed_is_whole(event->staged, failure) &&
	       hooks_run_before(hooks, event, failure) && hook_due_note(hooks, event, failure) &&
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
		done = hook_due_run(hooks, &event, true, failure);
	} else {
		hook_due_forget(folder);
	}
	free(product);
	free(there);
	return done;
}
