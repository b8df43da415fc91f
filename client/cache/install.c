/*
 * Install records. The one hard part is to leave nothing out: what is there and cannot be read
 * ends the collecting, only what is gone does not count.
 */
#include "install.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/common/file.h"
#include "client/common/report.h"
#include "client/release/catalogue_load.h"
#include "crypto/digest.h"

enum { SHA256_LEN = DIGEST_SHA256_SIZE - 1 };

struct collection {
	const char *folder; /* of the records */
	char *under;        /* without links; NULL: everywhere */
	struct install_list *list;
	struct failure *failure;
	bool lenient; /* what cannot be read does not end it */
};

static void
sha256_of(const char *bytes, size_t len, char sha256[DIGEST_SHA256_SIZE])
{
	struct digest_run *run = digest_run_new();
	struct digest digest;

	digest_run_add(run, bytes, len);
	digest_run_finish(run, &digest);
	digest_run_free(run);
	memcpy(sha256, digest.sha256, DIGEST_SHA256_SIZE);
}

static bool
make_folder(const char *name, struct failure *failure)
{
	return mkdir(name, 0777) == 0 || errno == EEXIST || failure_errno(failure, "make", name);
}

/* A record that is there is not written again: the folder may be read-only, or another's. */
static bool
is_recorded(const char *name, const struct buffer *path)
{
	struct failure unreadable;
	struct buffer text = {0};
	bool same = access(name, F_OK) == 0 && file_read(name, PATH_MAX, &text, &unreadable) &&
	            buffer_size(&text) == buffer_size(path) &&
	            memcmp(buffer_bytes(&text), buffer_bytes(path), buffer_size(path)) == 0;

	buffer_fini(&text);
	return same;
}

bool
install_remember(const char *cache, const char *folder, struct failure *failure)
{
	char sha256[DIGEST_SHA256_SIZE], path[PATH_MAX];
	struct buffer text = {0};

	if (realpath(folder, path) == NULL)
		return failure_errno(failure, "find", folder);
	char *records = buffer_text("%s/installed", cache);
	sha256_of(path, strlen(path), sha256);
	char *name = buffer_text("%s/%s", records, sha256);
	buffer_append(&text, path, strlen(path));
	bool done = is_recorded(name, &text) ||
	            (make_folder(cache, failure) && make_folder(records, failure) &&
	                file_write(name, &text, failure));
	buffer_fini(&text);
	free(name);
	free(records);
	return done;
}

char *
install_content(const char *folder)
{
	char *in_place = buffer_text("%s/" CATALOGUE_NAME, folder);
	char *current = buffer_text("%s/current", folder);
	char *versioned = buffer_text("%s/" CATALOGUE_NAME, current);
	bool side_by_side = access(in_place, F_OK) != 0 && access(versioned, F_OK) == 0;

	free(in_place);
	free(versioned);
	if (side_by_side)
		return current;
	free(current);
	return buffer_strdup(folder);
}

/* ---- collecting ---------------------------------------------------------------------------- */

static bool
is_under(const char *folder, const char *under)
{
	size_t len = strlen(under);

	if (strcmp(under, "/") == 0)
		return true;
	return strncmp(folder, under, len) == 0 && (folder[len] == '/' || folder[len] == '\0');
}

static void
append(struct install_list *list, const char *folder, const struct catalogue *catalogue)
{
	if (list->count == list->capacity) {
		list->capacity = list->capacity * 2 + 16;
		list->installs =
		    reallocarray(list->installs, list->capacity, sizeof *list->installs);
		if (list->installs == NULL)
			abort();
	}
	list->installs[list->count++] = (struct install){buffer_strdup(folder),
	    buffer_strdup(catalogue->product), buffer_strdup(catalogue->version)};
}

/* Adds what the catalogue in FOLDER says. */
static bool
add_folder(const struct collection *self, const char *folder)
{
	struct catalogue *catalogue = NULL;
	char *content = install_content(folder);
	char *name = buffer_text("%s/" CATALOGUE_NAME, content);
	bool gone = access(name, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR);
	bool done = gone;

	if (gone)
		report_detail("nothing is installed in %s any more", folder);
	else
		catalogue = catalogue_load_file(name, self->failure);
	if (catalogue != NULL) {
		append(self->list, folder, catalogue);
		done = true;
	}
	catalogue_free(catalogue);
	free(name);
	free(content);
	return done;
}

/* NAME is that of a record: its content must fit. */
static bool
add_record(const struct collection *self, const char *name)
{
	char sha256[DIGEST_SHA256_SIZE], folder[PATH_MAX];
	struct buffer text = {0};
	char *file = buffer_text("%s/%s", self->folder, name);
	bool done = file_read(file, sizeof folder - 1, &text, self->failure);

	if (done) {
		size_t len = buffer_size(&text);
		sha256_of(len > 0 ? buffer_bytes(&text) : "", len, sha256);
		memcpy(folder, len > 0 ? buffer_bytes(&text) : "", len);
		folder[len] = '\0';
		done = strcmp(sha256, name) == 0 ||
		       failure_set(self->failure, FAILURE_LOCAL,
		           "%s is damaged: remove it, and fetch what it stood for again", file);
	}
	if (done && (self->under == NULL || is_under(folder, self->under)))
		done = add_folder(self, folder);
	buffer_fini(&text);
	free(file);
	return done;
}

/* Others are what a killed process left of one. */
static bool
is_record(const char *name)
{
	return strlen(name) == SHA256_LEN && strspn(name, "0123456789abcdef") == SHA256_LEN;
}

static bool
add_records(const struct collection *self, DIR *records)
{
	bool done = true;
	const struct dirent *entry = NULL;

	/* cppcheck-suppress readdirCalled ; the stream is this call's own */
	while ((done || self->lenient) && (errno = 0, entry = readdir(records)) != NULL)
		done = (!is_record(entry->d_name) || add_record(self, entry->d_name)) && done;
	return done && (errno == 0 || failure_errno(self->failure, "read", self->folder));
}

static int
compare(const void *a, const void *b)
{
	const struct install *x = a, *y = b;
	return strcmp(x->folder, y->folder);
}

static bool
collect(const char *cache, const char *under, bool lenient, struct install_list *list,
    struct failure *failure)
{
	char *folder = buffer_text("%s/installed", cache);
	struct collection self = {folder, NULL, list, failure, lenient};
	bool done = under == NULL || (self.under = realpath(under, NULL)) != NULL ||
	            failure_errno(failure, "find", under);
	DIR *records = done ? opendir(folder) : NULL;

	if (records != NULL) {
		done = add_records(&self, records);
		closedir(records);
	} else if (done) {
		done = errno == ENOENT || failure_errno(failure, "open", folder);
	}
	if (list->count > 0)
		qsort(list->installs, list->count, sizeof *list->installs, compare);
	free(self.under);
	free(folder);
	return done;
}

bool
install_list(
    const char *cache, const char *under, struct install_list *list, struct failure *failure)
{
	return collect(cache, under, false, list, failure);
}

bool
install_list_readable(const char *cache, struct install_list *list, struct failure *failure)
{
	return collect(cache, NULL, true, list, failure);
}

void
install_list_fini(struct install_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->installs[i].folder);
		free(list->installs[i].product);
		free(list->installs[i].version);
	}
	free(list->installs);
	*list = (struct install_list){0};
}
