/*
 * What goes from a mirror, once it is due.
 *
 * The hard part is the order: what tells readers of a version goes before the version, and what is
 * remembered of it goes last, so that the next run ends what a killed one began.
 */
#include "mirror_removal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "catalogue/catalogue.h"
#include "client/common/file.h"
#include "client/common/report.h"
#include "client/release/signed.h"
#include "mirror_copy.h"
#include "mirror_memory_private.h"

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
	DIR *stream = mirror_memory_entries(folder);

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

/* Takes those out of LIST that are not PRODUCT's, and those that WANTED, unless it is NULL, names.
 */
static void
keep_own(const struct mirror_memory *memory, const char *product, const char *base,
    const struct index *wanted, struct versions *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		char *version = list->names[i];
		if ((wanted == NULL || !index_has(wanted, version)) &&
		    mirror_copy_is_there(memory->tree, base, product, version))
			list->names[kept++] = version;
		else
			free(version);
	}
	list->count = kept;
}

/* ---- how many may go ---------------------------------------------------------------------- */

/* Counts the versions that are in place. */
static bool
count_whole(struct mirror_memory *memory, struct failure *failure)
{
	bool done = true;

	for (size_t i = 0; i < memory->count && done; i++) {
		const struct mirror_memory_place *place = &memory->places[i];
		struct versions list = {0};
		int folder = -1;
		done = mirror_tree_find(memory->tree, place->base, &folder, failure) &&
		       (folder < 0 || list_versions(folder, &list, failure));
		keep_own(memory, place->product, place->base, NULL, &list);
		memory->whole += list.count;
		if (folder >= 0)
			close(folder);
		versions_fini(&list);
	}
	return done;
}

/* False, with FAILURE filled, when DUE versions of PRODUCT are more than this run may still remove:
 * then none of them goes, since a part of them would be as wrong, and the next run's part as well.
 */
static bool
may_remove(struct mirror_memory *memory, const char *product, size_t due, struct failure *failure)
{
	if (due == 0)
		return true;
	if (memory->removed == 0) {
		memory->whole = 0;
		if (!count_whole(memory, failure))
			return false;
	}
	uint64_t most = share_of(&memory->rules.max_removals, memory->whole);
	return memory->removed + due <= most ||
	       failure_set(failure, FAILURE_LOCAL,
	           "%zu versions of %s would be removed, and none is: a run may remove %" PRIu64
	           " of the %" PRIu64 " here, and this one has removed %" PRIu64
	           "; if they are to go, allow it with --max-removals",
	           due, product, most, memory->whole, memory->removed);
}

/* ---- versions that go --------------------------------------------------------------------- */

/* The name goes first: a version that comes back later begins anew. */
static bool
remove_version(struct mirror_memory *memory, int folder, const char *version, const char *place,
    struct failure *failure)
{
	char *mark = buffer_text("%s-%s", place, version);
	bool done = mirror_tree_remove(memory->tree, folder, version, failure) &&
	            mirror_memory_forget(memory, mark, failure);

	free(mark);
	if (done) {
		memory->removed++;
		mirror_report_add(memory->report, MIRROR_DELETED, version);
	}
	return done;
}

/* Sets DUE of each version in LIST, which are missed, and *COUNT to how many are. */
static bool
miss_versions(struct mirror_memory *memory, const struct versions *list, const char *place,
    bool *due, size_t *count, struct failure *failure)
{
	bool done = true;

	for (size_t i = 0; i < list->count && done; i++) {
		char *mark = buffer_text("%s-%s", place, list->names[i]);
		done = mirror_memory_miss(memory, mark, &due[i], failure);
		*count += due[i];
		free(mark);
	}
	return done;
}

/* The versions in LIST are not in the index of PRODUCT. */
static bool
leave_versions(struct mirror_memory *memory, int folder, const struct versions *list,
    const char *product, const char *place, struct failure *failure)
{
	bool *due = buffer_alloc((list->count + 1) * sizeof *due);
	size_t count = 0;
	bool done = miss_versions(memory, list, place, due, &count, failure);
	bool allowed = done && may_remove(memory, product, count, failure);

	for (size_t i = 0; i < list->count && done; i++) {
		if (allowed && due[i])
			done = remove_version(memory, folder, list->names[i], place, failure);
		else
			mirror_report_add(memory->report, MIRROR_LEAVING, list->names[i]);
	}
	free(due);
	return done && allowed;
}

/* Forgets the times of PLACE's versions that are not in FOLDER (-1: none is): a killed process may
 * have removed one and not its time. */
static bool
forget_gone(
    const struct mirror_memory *memory, const char *place, int folder, struct failure *failure)
{
	const struct dirent *entry = NULL;
	size_t len = strlen(place);
	DIR *stream = mirror_memory_entries(memory->leaving);
	bool done = true;

	/* cppcheck-suppress readdirCalled ; the stream is this call's own */
	while (stream != NULL && (errno = 0, done) && (entry = readdir(stream)) != NULL) {
		const char *version = entry->d_name + len + 1;
		if (strncmp(entry->d_name, place, len) == 0 && entry->d_name[len] == '-' &&
		    (folder < 0 || faccessat(folder, version, F_OK, AT_SYMLINK_NOFOLLOW) != 0))
			done = mirror_memory_forget(memory, entry->d_name, failure);
	}
	if (done && errno != 0)
		done = failure_set(failure, FAILURE_LOCAL, "cannot read %s/leaving: %s",
		    mirror_tree_own(memory->tree), strerror(errno));
	if (stream != NULL)
		closedir(stream);
	return done;
}

bool
mirror_removal_versions(struct mirror_memory *memory, const struct index *index, const char *base,
    struct failure *failure)
{
	struct versions list = {0};
	char *name = mirror_memory_place_name(index->product, base);
	int folder = -1;
	bool done = mirror_tree_find(memory->tree, base, &folder, failure) &&
	            (folder < 0 || list_versions(folder, &list, failure));

	keep_own(memory, index->product, base, index, &list);
	done = done && leave_versions(memory, folder, &list, index->product, name, failure);
	done = done && forget_gone(memory, name, folder, failure);
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
remove_beside(const struct mirror_memory *memory, const struct mirror_memory_place *place,
    int folder, const char *name, struct failure *failure)
{
	struct failure unreadable;
	struct buffer text = {0};
	char *file = mirror_tree_name(memory->tree, place->base, name);
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
forget_index(const struct mirror_memory *memory, const struct mirror_memory_place *place,
    struct failure *failure)
{
	for (size_t i = 0; i < memory->count; i++) {
		if (memory->places[i].kept &&
		    strcmp(memory->places[i].product, place->product) == 0)
			return true;
	}
	return mirror_tree_unlink(memory->indexes, place->product, failure);
}

/* All of it is due. What tells of versions goes before them. */
static bool
remove_place(struct mirror_memory *memory, const struct mirror_memory_place *place, int folder,
    const struct versions *list, struct failure *failure)
{
	bool done =
	    folder < 0 || (remove_beside(memory, place, folder, INDEX_NAME, failure) &&
	                      remove_beside(memory, place, folder, CATALOGUE_NAME, failure));

	for (size_t i = 0; i < list->count && done; i++)
		done = remove_version(memory, folder, list->names[i], place->name, failure);
	done = done && forget_gone(memory, place->name, -1, failure) &&
	       mirror_memory_forget(memory, place->name, failure) &&
	       forget_index(memory, place, failure) &&
	       mirror_tree_unlink(memory->products, place->name, failure);
	if (done) {
		char *name = mirror_tree_name(memory->tree, place->base, "");
		rmdir(name); /* when nothing else is in it */
		free(name);
	}
	return done;
}

/* The licence does not have PLACE, with the versions in LIST, any more. No signature is on that, so
 * it is not enough. */
static bool
stay(const struct mirror_memory *memory, const struct mirror_memory_place *place,
    const struct versions *list)
{
	for (size_t i = 0; i < list->count; i++)
		mirror_report_add(memory->report, MIRROR_UNLICENSED, list->names[i]);
	report_note("%s: the licence does not have it below %s any more; it stays, %zu versions, "
	            "unless --remove-unlicensed is given",
	    place->product, place->base, list->count);
	return true;
}

/* The same, and it is to go: at once when there is nothing to wait for. */
static bool
leave_place(struct mirror_memory *memory, const struct mirror_memory_place *place, int folder,
    const struct versions *list, bool due, struct failure *failure)
{
	bool goes = due || list->count == 0;
	bool allowed = !goes || may_remove(memory, place->product, list->count, failure);

	if (goes && allowed)
		return remove_place(memory, place, folder, list, failure);
	for (size_t i = 0; i < list->count; i++)
		mirror_report_add(memory->report, MIRROR_LEAVING, list->names[i]);
	return allowed;
}

static bool
miss_place(
    struct mirror_memory *memory, const struct mirror_memory_place *place, struct failure *failure)
{
	struct versions list = {0};
	int folder = -1;
	bool due = false;
	bool done = mirror_memory_miss(memory, place->name, &due, failure) &&
	            mirror_tree_find(memory->tree, place->base, &folder, failure) &&
	            (folder < 0 || list_versions(folder, &list, failure));

	keep_own(memory, place->product, place->base, NULL, &list);
	if (done)
		done = memory->rules.remove_unlicensed
		           ? leave_place(memory, place, folder, &list, due, failure)
		           : stay(memory, place, &list);
	if (folder >= 0)
		close(folder);
	versions_fini(&list);
	return done;
}

void
mirror_removal_products(struct mirror_memory *memory)
{
	for (size_t i = 0; i < memory->count; i++) {
		const struct mirror_memory_place *place = &memory->places[i];
		struct failure failure = {0};

		if (place->kept)
			continue;
		mirror_report_begin(memory->report, place->product);
		if (!miss_place(memory, place, &failure))
			mirror_report_fail(memory->report, NULL, &failure);
	}
}
