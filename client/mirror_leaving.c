/*
 * What leaves a mirror.
 *
 * The hard part is to remove nothing too early: the time of the first miss is on the disk before it
 * counts, it is forgotten whenever the thing is wanted again, and what cannot be read as a time is
 * no time.
 */
#include "mirror_leaving.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../policy/catalogue.h"
#include "../policy/policy_value.h"
#include "digest.h"
#include "file.h"
#include "mirror_copy.h"
#include "signed.h"

enum { PATH_BYTES_MAX = 64 * 1024, TIME_BYTES_MAX = 20 };

/* A product below a path. */
struct place {
	char *name; /* PRODUCT-SHA256 */
	char *product, *base;
	bool kept;
};

struct mirror_leaving {
	struct mirror_tree *tree;
	struct mirror_report *report;
	time_t now;
	uint64_t grace;
	int products, indexes, leaving; /* the folders in DIR/.spot */
	struct place *places;
	size_t count;
};

/* FOLDER's entries from the first one on; NULL with errno set. */
static DIR *
entries_of(int folder)
{
	int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = again >= 0 ? fdopendir(again) : NULL;

	if (stream == NULL && again >= 0)
		close(again);
	return stream;
}

/* ---- places ------------------------------------------------------------------------------- */

static char *
place_name(const char *product, const char *base)
{
	struct digest_run *run = digest_run_new();
	struct digest digest;

	digest_run_add(run, base, strlen(base));
	digest_run_finish(run, &digest);
	digest_run_free(run);
	return buffer_text("%s-%s", product, digest.sha256);
}

static struct place *
add_place(struct mirror_leaving *self, const char *product, const char *base)
{
	self->places = reallocarray(self->places, self->count + 1, sizeof *self->places);
	if (self->places == NULL)
		abort();
	struct place *place = &self->places[self->count++];
	*place = (struct place){.name = place_name(product, base),
	    .product = buffer_strdup(product),
	    .base = buffer_strdup(base)};
	return place;
}

static struct place *
find_place(struct mirror_leaving *self, const char *name)
{
	for (size_t i = 0; i < self->count; i++) {
		if (strcmp(self->places[i].name, name) == 0)
			return &self->places[i];
	}
	return NULL;
}

/* Reads products/NAME. What does not fit its name is not what was written there. */
static bool
read_place(struct mirror_leaving *self, const char *name, struct failure *failure)
{
	size_t len = strlen(name), tail = DIGEST_SHA256_SIZE; /* "-" and the digits */
	struct buffer text = {0};
	char *rest = buffer_text("/products/%s", name);
	char *file = buffer_text("%s%s", mirror_tree_own(self->tree), rest);
	bool done = file_read(file, PATH_BYTES_MAX, &text, failure);

	if (done) {
		buffer_append(&text, "", 1);
		char *product = buffer_copy(name, len > tail ? len - tail : 0);
		const struct place *place = add_place(self, product, buffer_bytes(&text));
		done = (strcmp(place->name, name) == 0 && policy_value_is_id(product) &&
		           place->base[0] == '/') ||
		       failure_set(failure, FAILURE_LOCAL, "%s is damaged: remove it", file);
		free(product);
	}
	buffer_fini(&text);
	free(file);
	free(rest);
	return done;
}

static bool
read_places(struct mirror_leaving *self, struct failure *failure)
{
	const struct dirent *entry = NULL;
	DIR *stream = entries_of(self->products);
	bool done = true;

	/* cppcheck-suppress readdirCalled ; the stream is this call's own */
	while (stream != NULL && (errno = 0, done) && (entry = readdir(stream)) != NULL)
		done = entry->d_name[0] == '.' || read_place(self, entry->d_name, failure);
	if (done && errno != 0)
		done = failure_set(failure, FAILURE_LOCAL, "cannot read %s/products: %s",
		    mirror_tree_own(self->tree), strerror(errno));
	if (stream != NULL)
		closedir(stream);
	return done;
}

struct mirror_leaving *
mirror_leaving_open(struct mirror_tree *tree, struct mirror_report *report, time_t now,
    uint64_t grace, struct failure *failure)
{
	struct mirror_leaving *self = buffer_alloc(sizeof *self);

	*self = (struct mirror_leaving){tree, report, now, grace, -1, -1, -1, NULL, 0};
	self->products = mirror_tree_make_own(tree, "products", failure);
	if (self->products >= 0)
		self->indexes = mirror_tree_make_own(tree, MIRROR_LEAVING_INDEXES, failure);
	if (self->indexes >= 0)
		self->leaving = mirror_tree_make_own(tree, "leaving", failure);
	if (self->leaving >= 0 && read_places(self, failure))
		return self;
	mirror_leaving_close(self);
	return NULL;
}

void
mirror_leaving_close(struct mirror_leaving *self)
{
	if (self == NULL)
		return;
	for (size_t i = 0; i < self->count; i++) {
		free(self->places[i].name);
		free(self->places[i].product);
		free(self->places[i].base);
	}
	free(self->places);
	if (self->products >= 0)
		close(self->products);
	if (self->indexes >= 0)
		close(self->indexes);
	if (self->leaving >= 0)
		close(self->leaving);
	free(self);
}

/* ---- times -------------------------------------------------------------------------------- */

/* The time that leaving/NAME holds; false when there is none. */
static bool
read_time(const struct mirror_leaving *self, const char *name, uint64_t *since)
{
	char text[TIME_BYTES_MAX + 1] = "";
	int fd = openat(self->leaving, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return false;
	ssize_t len = read(fd, text, TIME_BYTES_MAX);
	close(fd);
	return len > 0 && policy_value_number(text, INT64_MAX, since);
}

/* Makes NAME in FOLDER hold TEXT. */
static bool
note_down(const struct mirror_leaving *self, int folder, const char *name, const char *text,
    struct failure *failure)
{
	struct buffer content = {0};
	const struct mirror_tree_file file = {name, &content};

	buffer_append(&content, text, strlen(text));
	bool done = mirror_tree_put(self->tree, folder, &file, 1, failure);
	buffer_fini(&content);
	return done;
}

/* Sets *DUE when what NAME stands for was first missed the grace time ago or longer; the first
 * time, now is noted down. */
static bool
miss(struct mirror_leaving *self, const char *name, bool *due, struct failure *failure)
{
	uint64_t now = (uint64_t)self->now, since = now;
	char text[TIME_BYTES_MAX + 1];
	bool done = true;

	if (!read_time(self, name, &since)) {
		since = now;
		snprintf(text, sizeof text, "%llu", (unsigned long long)now);
		done = note_down(self, self->leaving, name, text, failure);
	}
	*due = done && now >= since && now - since >= self->grace;
	return done;
}

static bool
forget(const struct mirror_leaving *self, const char *name, struct failure *failure)
{
	return mirror_tree_unlink(self->leaving, name, failure);
}

bool
mirror_leaving_keep_product(
    struct mirror_leaving *self, const char *product, const char *base, struct failure *failure)
{
	char *name = place_name(product, base);
	struct place *place = find_place(self, name);

	if (place == NULL)
		place = add_place(self, product, base);
	place->kept = true;
	bool done =
	    note_down(self, self->products, name, base, failure) && forget(self, name, failure);
	free(name);
	return done;
}

bool
mirror_leaving_keep_index(struct mirror_leaving *self, const char *product,
    const struct buffer *text, struct failure *failure)
{
	const struct mirror_tree_file file = {product, text};

	return mirror_tree_put(self->tree, self->indexes, &file, 1, failure);
}

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
	DIR *stream = entries_of(folder);

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
	    !forget(self, mark, failure))
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

	if (!miss(self, mark, &due, failure))
		return false;
	if (due)
		return remove_version(self, folder, version, mark, failure);
	mirror_report_add(self->report, MIRROR_LEAVING, version);
	return true;
}

bool
mirror_leaving_keep_version(struct mirror_leaving *self, const char *product, const char *base,
    const char *version, struct failure *failure)
{
	char *name = place_name(product, base);
	char *mark = buffer_text("%s-%s", name, version);
	bool done = forget(self, mark, failure);

	free(mark);
	free(name);
	return done;
}

/* Forgets the times of PLACE's versions that are not in FOLDER (-1: none is): a killed process may
 * have removed one and not its time. */
static bool
forget_gone(
    const struct mirror_leaving *self, const char *place, int folder, struct failure *failure)
{
	const struct dirent *entry = NULL;
	size_t len = strlen(place);
	DIR *stream = entries_of(self->leaving);
	bool done = true;

	/* cppcheck-suppress readdirCalled ; the stream is this call's own */
	while (stream != NULL && (errno = 0, done) && (entry = readdir(stream)) != NULL) {
		const char *version = entry->d_name + len + 1;
		if (strncmp(entry->d_name, place, len) == 0 && entry->d_name[len] == '-' &&
		    (folder < 0 || faccessat(folder, version, F_OK, AT_SYMLINK_NOFOLLOW) != 0))
			done = forget(self, entry->d_name, failure);
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
	char *name = place_name(index->product, base);
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
remove_beside(const struct mirror_leaving *self, const struct place *place, int folder,
    const char *name, struct failure *failure)
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
forget_index(const struct mirror_leaving *self, const struct place *place, struct failure *failure)
{
	for (size_t i = 0; i < self->count; i++) {
		if (self->places[i].kept && strcmp(self->places[i].product, place->product) == 0)
			return true;
	}
	return mirror_tree_unlink(self->indexes, place->product, failure);
}

/* All of it is due. What tells of versions goes before them. */
static bool
remove_place(struct mirror_leaving *self, const struct place *place, int folder,
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
	       forget(self, place->name, failure) && forget_index(self, place, failure) &&
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
keep_own(const struct mirror_leaving *self, const struct place *place, struct versions *list)
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
leave_place(struct mirror_leaving *self, const struct place *place, struct failure *failure)
{
	struct versions list = {0};
	int folder = -1;
	bool due = false;
	bool done = miss(self, place->name, &due, failure) &&
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
		const struct place *place = &self->places[i];
		struct failure failure = {0};

		if (place->kept)
			continue;
		mirror_report_begin(self->report, place->product);
		if (!leave_place(self, place, &failure))
			mirror_report_fail(self->report, NULL, &failure);
	}
}
