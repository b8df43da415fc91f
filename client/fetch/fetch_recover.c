/*
 * A change that was cut. The hard part is to know that it can be ended without a server: each of
 * the new files is where it belongs, or staged under its number.
 */
#include "fetch_recover.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/common/report.h"
#include "client/release/catalogue_load.h"
#include "fetch_change.h"
#include "fetch_config.h"
#include "fetch_file.h"

/* True when FILE is in place, or beside what was edited, or needs not be. */
static bool
is_in_place(const struct fetch_change *change, const struct catalogue_file *file)
{
	int root = change->stage->root;

	switch (fetch_config_place(root, file, change->old, NULL)) {
	case FETCH_CONFIG_STAYS:
		return true;
	case FETCH_CONFIG_BESIDE: {
		char *beside = buffer_text("%s" CATALOGUE_CONFIG_SUFFIX, file->path);
		bool there = fetch_file_is_at(root, beside, file);
		free(beside);
		return there;
	}
	case FETCH_CONFIG_IN_PLACE:
		break;
	}
	return fetch_file_is_there(root, file);
}

/* True when each file of the new catalogue is in place or staged. */
static bool
is_all_there(const struct fetch_change *change)
{
	for (size_t i = 0; i < change->catalogue->file_count; i++) {
		const struct catalogue_file *file = &change->catalogue->files[i];
		char name[CHANGE_NAME_MAX];
		fetch_change_file_name(name, i);
		if (!is_in_place(change, file) &&
		    !fetch_file_is_at(change->stage->folder, name, file))
			return false;
	}
	return true;
}

/* The catalogue is the last to get its place. */
static bool
has_catalogue(const struct fetch_change *change)
{
	return faccessat(change->stage->folder, CATALOGUE_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	       (change->old != NULL &&
	           strcmp(change->old->version, change->catalogue->version) == 0);
}

static bool
load(const char *folder, const char *name, struct catalogue **catalogue, struct failure *failure)
{
	char *file = buffer_text("%s/%s", folder, name);
	bool there = access(file, F_OK) == 0;

	if (there)
		*catalogue = catalogue_load_file(file, failure);
	free(file);
	return !there || *catalogue != NULL;
}

static bool
end(const struct fetch_change *change, struct failure *failure)
{
	if (!has_catalogue(change) || !is_all_there(change))
		return true;
	report_note("%s: going on with %s %s, whose installation was cut", change->folder,
	    change->catalogue->product, change->catalogue->version);
	return fetch_change_end(change, failure);
}

bool
fetch_recover(int root, const char *folder, struct failure *failure)
{
	struct catalogue *old = NULL, *new = NULL;
	struct fetch_stage stage = {0};
	bool done = true;

	if (faccessat(root, CHANGE_JOURNAL, F_OK, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !fetch_stage_find(&stage, root))
		return true;
	done = load(folder, CATALOGUE_NAME, &old, failure) &&
	       load(folder, CHANGE_JOURNAL, &new, failure);
	if (done && new != NULL) {
		struct fetch_names *names = fetch_names_new(new);
		const struct fetch_change change = {.stage = &stage,
		    .folder = folder,
		    .old = old,
		    .before = old,
		    .catalogue = new,
		    .names = names};
		done = end(&change, failure);
		fetch_names_free(names);
	}
	close(stage.folder);
	catalogue_free(old);
	catalogue_free(new);
	return done;
}
