/*
 * What goes from a mirror, once it is due.
 *
 * The hard part is the order: what tells readers of a version goes before the version, and what is
 * remembered of it goes last, so that the next run ends what a killed one began.
 */
#include "mirror_leaving_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../policy/catalogue.h"
#include "file.h"
#include "mirror_copy.h"
#include "signed.h"

/* ---- versions ----------------------------------------------------------------------------- */

struct versions {
	char **names; /* ascending */
	size_t count;
};

static int
compare(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	int order = catalogue_compare_versions(x, y);

	return order != 0 ? order : strcmp(x, y);
}

static void
versions_fini(struct versions *self)
{
	for (size_t i = 0; i < self->count; i++)
		free(self->names[i]);
	free(self->names);
	*self = (struct versions){0};
}

/* The names of versions in FOLDER, whatever lies under them. */
static bool
list_versions(int folder, struct versions *list, struct failure *failure)
{
	const struct dirent *entry = NULL;
	DIR *stream = mirror_leaving_entries(folder);

	/* cppcheck-suppress readdirCalled ; the stream is this call's own */
	while (stream != NULL && (errno = 0, entry = readdir(stream)) != NULL) {
		if (!catalogue_is_version(entry->d_name))
			continue;
		list->names = reallocarray(list->names, list->count + 1, sizeof *list->names);
		if (list->names == NULL)
			abort();
		list->names[list->count++] = buffer_strdup(entry->d_name);
	}
	bool done = errno == 0 || failure_set(failure, FAILURE_LOCAL,
	                              "cannot read a folder of versions: %s", strerror(errno));
	if (stream != NULL)
		closedir(stream);
	if (list->count > 0)
		qsort(list->names, list->count, sizeof *list->names, compare);
	return done;
}

/* The name goes first: a version that comes back later begins anew. */
static bool
remove_version(struct mirror_leaving *self, int folder, const char *version, const char *mark,
    struct failure *failure)
{
	if (!mirror_tree_remove(self->tree, folder, version, failure) ||
	    !mirror_leaving_forget(self, mark, failure))
		return false;
	mirror_report_add(self->report, MIRROR_DELETED, version);
	return true;
}

/* VERSION is not in the index. */
static bool
leave_version(struct mirror_leaving *self, int folder, const char *version, const char *mark,
    struct failure *failure)
{
	bool due = false;

	if (!mirror_leaving_miss(self, mark, &due, failure))
		return false;
	if (due)
		return remove_version(self, folder, version, mark, failure);
	mirror_report_add(self->report, MIRROR_LEAVING, version);
	return true;
}

/* Forgets the times of PLACE's versions that are not in FOLDER (-1: none is): a killed process may
 * have removed one and not its time. */
static bool
forget_gone(
    const struct mirror_leaving *self, const char *place, int folder, struct failure *failure)
{
	const struct dirent *entry = NULL;
	size_t len = strlen(place);
	DIR *stream = mirror_leaving_entries(self->leaving);
	bool done = true;

	/* cppcheck-suppress readdirCalled ; the stream is this call's own */
	while (stream != NULL && (errno = 0, done) && (entry = readdir(stream)) != NULL) {
		const char *version = entry->d_name + len + 1;
		if (strncmp(entry->d_name, place, len) == 0 && entry->d_name[len] == '-' &&
		    (folder < 0 || faccessat(folder, version, F_OK, AT_SYMLINK_NOFOLLOW) != 0))
			done = mirror_leaving_forget(self, entry->d_name, failure);
	}
	if (done && errno != 0)
		done = failure_set(failure, FAILURE_LOCAL, "cannot read %s/leaving: %s",
		    mirror_tree_own(self->tree), strerror(errno));
	if (stream != NULL)
		closedir(stream);
	return done;
}

bool
mirror_leaving_versions(struct mirror_leaving *self, const struct index *index, const char *base,
    struct failure *failure)
{
	struct versions list = {0};
	char *name = mirror_leaving_place_name(index->product, base);
	int folder = -1;
	bool done = mirror_tree_find(self->tree, base, &folder, failure) &&
	            (folder < 0 || list_versions(folder, &list, failure));

	for (size_t i = 0; i < list.count && done; i++) {
		const char *version = list.names[i];
		char *mark = buffer_text("%s-%s", name, version);
		if (!index_has(index, version) &&
		    mirror_copy_is_there(self->tree, base, index->product, version))
			done = leave_version(self, folder, version, mark, failure);
		free(mark);
	}
	done = done && forget_gone(self, name, folder, failure);
	if (folder >= 0)
		close(folder);
	versions_fini(&list);
	free(name);
	return done;
}

/* ---- products ----------------------------------------------------------------------------- */

/* The product that TEXT, a catalogue or an index, is of; "" when it is neither. */
static char *
product_of(const struct buffer *text)
{
	char defect[CATALOGUE_DEFECT_MAX];
	struct failure unreadable;
	struct catalogue *catalogue = catalogue_read(text, defect);
	struct index *index = catalogue == NULL ? index_read(text, "", &unreadable) : NULL;
	char *product = buffer_strdup(catalogue != NULL ? catalogue->product
	                              : index != NULL   ? index->product
	                                                : "");

	index_free(index);
	catalogue_free(catalogue);
	return product;
}

/* Removes the index or the catalogue beside PLACE's versions, unless it is another product's. The
 * signature goes first: a crash in between leaves the text, which tells whose both are. */
static bool
remove_beside(const struct mirror_leaving *self, const struct mirror_leaving_place *place,
    int folder, const char *name, struct failure *failure)
{
	struct failure unreadable;
	struct buffer text = {0};
	char *file = mirror_tree_name(self->tree, place->base, name);
	char *signature = buffer_text("%s" SIGNED_SUFFIX, name);

	file_read(file, CATALOGUE_MAX_BYTES, &text, &unreadable);
	char *product = product_of(&text);
	bool done = strcmp(product, place->product) != 0 ||
	            (mirror_tree_unlink(folder, signature, failure) &&
	                mirror_tree_unlink(folder, name, failure));
	free(product);
	free(signature);
	free(file);
	buffer_fini(&text);
	return done;
}

/* Forgets the index that was followed last, unless PLACE's product is kept below another path. */
static bool
forget_index(const struct mirror_leaving *self, const struct mirror_leaving_place *place,
    struct failure *failure)
{
	for (size_t i = 0; i < self->count; i++) {
		if (self->places[i].kept && strcmp(self->places[i].product, place->product) == 0)
			return true;
	}
	return mirror_tree_unlink(self->indexes, place->product, failure);
}

/* All of it is due. What tells of versions goes before them. */
static bool
remove_place(struct mirror_leaving *self, const struct mirror_leaving_place *place, int folder,
    const struct versions *list, struct failure *failure)
{
	bool done = folder < 0 || (remove_beside(self, place, folder, INDEX_NAME, failure) &&
	                              remove_beside(self, place, folder, CATALOGUE_NAME, failure));

	for (size_t i = 0; i < list->count && done; i++) {
		char *mark = buffer_text("%s-%s", place->name, list->names[i]);
		done = remove_version(self, folder, list->names[i], mark, failure);
		free(mark);
	}
	done = done && forget_gone(self, place->name, -1, failure) &&
	       mirror_leaving_forget(self, place->name, failure) &&
	       forget_index(self, place, failure) &&
	       mirror_tree_unlink(self->products, place->name, failure);
	if (done) {
		char *name = mirror_tree_name(self->tree, place->base, "");
		rmdir(name); /* when nothing else is in it */
		free(name);
	}
	return done;
}

/* Takes those out of LIST that are not PLACE's. */
static void
keep_own(const struct mirror_leaving *self, const struct mirror_leaving_place *place,
    struct versions *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		if (mirror_copy_is_there(self->tree, place->base, place->product, list->names[i]))
			list->names[kept++] = list->names[i];
		else
			free(list->names[i]);
	}
	list->count = kept;
}

static bool
leave_place(
    struct mirror_leaving *self, const struct mirror_leaving_place *place, struct failure *failure)
{
	struct versions list = {0};
	int folder = -1;
	bool due = false;
	bool done = mirror_leaving_miss(self, place->name, &due, failure) &&
	            mirror_tree_find(self->tree, place->base, &folder, failure) &&
	            (folder < 0 || list_versions(folder, &list, failure));

	if (done) {
		keep_own(self, place, &list);
		due = due || list.count == 0; /* nobody waits for nothing */
		if (due)
			done = remove_place(self, place, folder, &list, failure);
		for (size_t i = 0; i < list.count && !due; i++)
			mirror_report_add(self->report, MIRROR_LEAVING, list.names[i]);
	}
	if (folder >= 0)
		close(folder);
	versions_fini(&list);
	return done;
}

void
mirror_leaving_products(struct mirror_leaving *self)
{
	for (size_t i = 0; i < self->count; i++) {
		const struct mirror_leaving_place *place = &self->places[i];
		struct failure failure = {0};

		if (place->kept)
			continue;
		mirror_report_begin(self->report, place->product);
		if (!leave_place(self, place, &failure))
			mirror_report_fail(self->report, NULL, &failure);
	}
}
