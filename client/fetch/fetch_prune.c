/*
 * Old versions. The hard part is what a run that was cut has left of a version that never became
 * current: it has no catalogue yet, and only the names that are spot's own tell whose it is.
 */
#include "fetch_prune.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/common/report.h"
#include "client/release/catalogue_load.h"
#include "fetch_change.h"
#include "fetch_file.h"
#include "fetch_stage.h"

struct pruning {
	int root, current; /* the folders; -1: there is none */
	const char *folder;
	const char *product;
	struct fetch_outlook *outlook;
};

static int
open_version(int root, const char *name)
{
	return openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* What is of no use to anybody once VERSION goes: what was put beside FILE, and an edited FILE that
 * the current version has as well. */
static void
remove_config(const struct pruning *self, int version, const struct catalogue_file *file)
{
	char *beside = buffer_text("%s" CATALOGUE_CONFIG_SUFFIX, file->path);

	if (fetch_file_is_at(version, beside, file))
		fetch_file_unlink(version, beside);
	free(beside);
	if (self->current >= 0 &&
	    fetch_file_is_same(version, file->path, self->current, file->path))
		fetch_file_unlink(version, file->path);
}

/* Removes the version in the folder NAME, open as VERSION, whose catalogue is CATALOGUE. */
static void
remove_version(
    const struct pruning *self, int version, const char *name, const struct catalogue *catalogue)
{
	struct fetch_names *nothing = fetch_names_new(NULL);

	for (size_t i = 0; i < catalogue->file_count; i++) {
		if (catalogue->files[i].config)
			remove_config(self, version, &catalogue->files[i]);
		(void)fetch_file_remove(version, &catalogue->files[i], nothing);
	}
	fetch_stage_sweep(version);
	unlinkat(version, CATALOGUE_SIGNATURE_NAME, 0);
	unlinkat(version, CHANGE_JOURNAL, 0);
	unlinkat(version, CATALOGUE_NAME, 0);
	if (unlinkat(self->root, name, AT_REMOVEDIR) != 0)
		report_note("%s/%s is left alone: what is left in it is not of %s %s", self->folder,
		    name, catalogue->product, catalogue->version);
	fetch_names_free(nothing);
}

/* The catalogue of what is in the folder NAME; of one that was cut, the one that it was to get. */
static struct catalogue *
load(const struct pruning *self, const char *name)
{
	static const char *const names[] = {CATALOGUE_NAME, CHANGE_JOURNAL};
	struct catalogue *catalogue = NULL;

	for (size_t i = 0; i < sizeof names / sizeof names[0] && catalogue == NULL; i++) {
		struct failure unreadable;
		char *file = buffer_text("%s/%s/%s", self->folder, name, names[i]);
		if (access(file, F_OK) == 0)
			catalogue = catalogue_load_file(file, &unreadable);
		free(file);
	}
	return catalogue;
}

/* What was staged for a version that was cut before it had a journal is spot's own. */
static void
remove_stage(const struct pruning *self, int version, const char *name)
{
	if (faccessat(version, CATALOGUE_PART_NAME, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	fetch_stage_sweep(version);
	unlinkat(self->root, name, AT_REMOVEDIR);
}

static void
prune(const struct pruning *self, const char *name)
{
	int version = open_version(self->root, name);
	struct catalogue *catalogue = version >= 0 ? load(self, name) : NULL;
	bool ours = catalogue != NULL && strcmp(catalogue->product, self->product) == 0;

	if (ours && self->outlook != NULL)
		fetch_outlook_count_removed(self->outlook, version, catalogue);
	else if (ours)
		remove_version(self, version, name, catalogue);
	else if (catalogue == NULL && version >= 0 && self->outlook == NULL)
		remove_stage(self, version, name);
	catalogue_free(catalogue);
	if (version >= 0)
		close(version);
}

void
fetch_prune_versions(const struct fetch_files *order, const char *current, const char *previous)
{
	const struct pruning self = {.root = order->root,
	    .current = open_version(order->root, current),
	    .folder = order->folder,
	    .product = order->release->catalogue->product,
	    .outlook = order->outlook};
	int again = openat(order->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = again >= 0 ? fdopendir(again) : NULL;
	const struct dirent *entry;

	if (stream == NULL && again >= 0)
		close(again);
	/* cppcheck-suppress readdirCalled ; the stream is this call's own */
	while (stream != NULL && (entry = readdir(stream)) != NULL) {
		if (catalogue_is_version(entry->d_name) && strcmp(entry->d_name, current) != 0 &&
		    strcmp(entry->d_name, previous) != 0)
			prune(&self, entry->d_name);
	}
	if (stream != NULL)
		closedir(stream);
	if (self.current >= 0)
		close(self.current);
}
