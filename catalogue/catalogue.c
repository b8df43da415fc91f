/*
 * Catalogues, read and written.
 *
 * The hard part is to read strictly without two parsers of one thing: what was read is printed
 * again and must give the same bytes. So there are no repeated keys, no other order, no other
 * spelling of a number, and nothing in the file that is not in the structure.
 */
#include "catalogue.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json_writer.h"
#include "base/path.h"
#include "base/unicode.h"
#include "base/value.h"
#include "catalogue_names.h"
#include "version.h"

#define FORMAT "catalogue/1"
#define RICH_FORMAT "catalogue/2"

enum {
	MAX_DEPTH = 32, /* folders of a path */
	SECONDS_A_DAY = 24 * 60 * 60,
};

bool
catalogue_is_version(const char *text)
{
	return version_is_valid(text);
}

int
catalogue_compare_versions(const char *a, const char *b)
{
	return version_compare(a, b);
}

/* --- paths */

static bool
begins_with_segment(const char *path, const char *name)
{
	size_t len = strcspn(path, "/");

	return strlen(name) == len && strncasecmp(path, name, len) == 0;
}

/* True for what a file system might take for one of spot's own files, or for a folder in its place,
 * where the case of letters does not count. */
static bool
is_own(const char *path)
{
	char *folded = unicode_folded(path, strlen(path));
	bool own = begins_with_segment(folded, CATALOGUE_NAME) ||
	           begins_with_segment(folded, CATALOGUE_SIGNATURE_NAME) ||
	           strncasecmp(folded, CATALOGUE_PART_NAME, sizeof CATALOGUE_PART_NAME - 1) == 0;

	free(folded);
	return own;
}

const char *
catalogue_path_defect(const char *path)
{
	char *absolute = NULL;

	if (asprintf(&absolute, "/%s", path) < 0)
		abort();
	size_t len = strlen(absolute);
	const char *defect = path_defect(absolute, len);
	if (defect == NULL && is_own(path))
		defect = "has a name that is spot's own";
	if (defect == NULL && absolute[len - 1] == '/')
		defect = "names a folder";
	free(absolute);
	int depth = 0;
	for (const char *c = path; *c != '\0'; c++)
		depth += *c == '/';
	return defect == NULL && depth > MAX_DEPTH ? "is nested too deeply" : defect;
}

const char *
catalogue_config_defect(const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t name_len = strlen(slash != NULL ? slash + 1 : path);
	char *beside = buffer_text("%s" CATALOGUE_CONFIG_SUFFIX, path);
	const char *defect = catalogue_path_defect(beside);

	if (defect == NULL && name_len + strlen(CATALOGUE_CONFIG_SUFFIX) > NAME_MAX)
		defect = "has too long a name";
	free(beside);
	return defect;
}

/* A target may go up only at its beginning, where it passes real folders alone, since no link is
 * the folder of anything: so none leaves the version by way of another. */
const char *
catalogue_target_defect(const char *path, const char *target)
{
	static const char leaves[] = "is a symbolic link that leaves the version";
	size_t depth = 0, up = 0;
	bool whole = false; /* it has only steps up */

	for (const char *c = path; *c != '\0'; c++)
		depth += *c == '/';
	for (; strncmp(target, "../", 3) == 0; target += 3)
		up++;
	if (strcmp(target, "..") == 0) {
		whole = true;
		up++;
	}
	if (up > depth || *target == '/')
		return leaves;
	return whole || (*target != '\0' && catalogue_path_defect(target) == NULL)
	           ? NULL
	           : "is a symbolic link to what no path in a catalogue can be";
}

bool
catalogue_is_same(const struct catalogue_file *a, const struct catalogue_file *b)
{
	if (strcmp(a->path, b->path) != 0 || a->kind != b->kind || a->executable != b->executable ||
	    a->config != b->config)
		return false;
	if (a->kind == CATALOGUE_LINK)
		return strcmp(a->target, b->target) == 0;
	return a->digest.size == b->digest.size &&
	       strcmp(a->digest.sha256, b->digest.sha256) == 0 &&
	       strcmp(a->digest.sha1, b->digest.sha1) == 0;
}

static int
compare_paths(const void *a, const void *b)
{
	return strcmp(
	    ((const struct catalogue_file *)a)->path, ((const struct catalogue_file *)b)->path);
}

static int
compare_path(const void *path, const void *file)
{
	return strcmp(path, ((const struct catalogue_file *)file)->path);
}

const struct catalogue_file *
catalogue_find(const struct catalogue *self, const char *path)
{
	if (self == NULL || self->file_count == 0)
		return NULL;
	return bsearch(path, self->files, self->file_count, sizeof *self->files, compare_path);
}

bool
catalogue_settle(struct catalogue *self, char defect[CATALOGUE_DEFECT_MAX])
{
	if (self->file_count > 0)
		qsort(self->files, self->file_count, sizeof *self->files, compare_paths);
	char *clash = catalogue_names_clash(self->files, self->file_count);
	if (clash != NULL)
		snprintf(defect, CATALOGUE_DEFECT_MAX,
		    "names %s: another file has that name but for the case of letters, is the "
		    "folder of this one, or is configuration whose next version is called so",
		    clash);
	bool settled = clash == NULL;
	free(clash);
	return settled;
}

/* --- reading */

static bool
read_text(const json_t *object, const char *key, char **text)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_string(value))
		return false;
	*text = buffer_strdup(json_string_value(value));
	return true;
}

static bool
read_digest(const json_t *object, const char *key, size_t size, char *digest)
{
	const char *text = json_string_value(json_object_get(object, key));

	if (text == NULL || strlen(text) != size - 1 ||
	    strspn(text, "0123456789abcdef") != size - 1)
		return false;
	memcpy(digest, text, size);
	return true;
}

static bool
read_content(const json_t *entry, struct catalogue_file *file)
{
	const json_t *size = json_object_get(entry, "size");
	bool has_sha256 = json_object_get(entry, "sha256") != NULL;

	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return false;
	file->digest.size = (uint64_t)json_integer_value(size);
	return read_digest(entry, "sha1", DIGEST_SHA1_SIZE, file->digest.sha1) &&
	       (!has_sha256 ||
	           read_digest(entry, "sha256", DIGEST_SHA256_SIZE, file->digest.sha256));
}

/* What printing does not say again is seen by prints_as(). */
static bool
read_rich(const json_t *entry, struct catalogue_file *file)
{
	const json_t *mtime = json_object_get(entry, "mtime");

	if (json_object_get(entry, "folder") != NULL) {
		file->kind = CATALOGUE_FOLDER;
		return true;
	}
	if (json_object_get(entry, "target") != NULL) {
		file->kind = CATALOGUE_LINK;
		return read_text(entry, "target", &file->target) &&
		       catalogue_target_defect(file->path, file->target) == NULL;
	}
	file->mtime = json_integer_value(mtime);
	file->executable = json_is_true(json_object_get(entry, "executable"));
	file->config = json_is_true(json_object_get(entry, "config"));
	return json_is_integer(mtime) && file->mtime >= 0 && read_content(entry, file) &&
	       (!file->config || catalogue_config_defect(file->path) == NULL);
}

static bool
read_file(const json_t *entry, bool rich, struct catalogue_file *file)
{
	return read_text(entry, "path", &file->path) && catalogue_path_defect(file->path) == NULL &&
	       (rich ? read_rich : read_content)(entry, file);
}

static bool
read_files(const json_t *list, struct catalogue *self)
{
	const json_t *entry;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > CATALOGUE_MAX_FILES)
		return false;
	self->files = buffer_alloc((json_array_size(list) + 1) * sizeof *self->files);
	json_array_foreach(list, i, entry)
	{
		if (!read_file(entry, self->rich, &self->files[self->file_count++]))
			return false;
	}
	return true;
}

static bool
read_all(const json_t *root, struct catalogue *self)
{
	uint32_t day;
	const char *format = json_string_value(json_object_get(root, "format"));

	self->rich = format != NULL && strcmp(format, RICH_FORMAT) == 0;
	return read_text(root, "product", &self->product) && value_is_id(self->product) &&
	       read_text(root, "version", &self->version) && catalogue_is_version(self->version) &&
	       read_text(root, "expires", &self->expires) && value_day(self->expires, &day) &&
	       read_files(json_object_get(root, "files"), self);
}

static bool
prints_as(const struct catalogue *self, const struct buffer *text)
{
	struct buffer out = {0};

	catalogue_print(self, &out);
	bool same = buffer_size(&out) == buffer_size(text) &&
	            memcmp(buffer_bytes(&out), buffer_bytes(text), buffer_size(text)) == 0;
	buffer_fini(&out);
	return same;
}

struct catalogue *
catalogue_read(const struct buffer *text, char defect[CATALOGUE_DEFECT_MAX])
{
	struct catalogue *self = buffer_alloc(sizeof *self);
	json_t *root = json_loadb(text->data != NULL ? buffer_bytes(text) : "", buffer_size(text),
	    JSON_REJECT_DUPLICATES, NULL);
	bool done = read_all(root, self);

	json_decref(root);
	if (!done)
		snprintf(defect, CATALOGUE_DEFECT_MAX, "is not a catalogue");
	else
		done = catalogue_settle(self, defect);
	if (done && !prints_as(self, text)) {
		snprintf(
		    defect, CATALOGUE_DEFECT_MAX, "is not in the one form that a catalogue has");
		done = false;
	}
	if (!done) {
		catalogue_free(self);
		self = NULL;
	}
	return self;
}

void
catalogue_free(struct catalogue *self)
{
	if (self == NULL)
		return;
	for (size_t i = 0; i < self->file_count; i++) {
		free(self->files[i].path);
		free(self->files[i].target);
	}
	free(self->files);
	free(self->product);
	free(self->version);
	free(self->expires);
	free(self);
}

/* --- writing */

static void
print_content(const struct catalogue_file *file, struct buffer *out)
{
	json_writer_number(out, "size", file->digest.size);
	json_writer_member(out, "sha1", file->digest.sha1);
	if (file->digest.sha256[0] != '\0')
		json_writer_member(out, "sha256", file->digest.sha256);
}

static void
print_true(const char *key, struct buffer *out)
{
	json_writer_key(out, key);
	buffer_append(out, "true", 4);
}

static void
print_rich(const struct catalogue_file *file, struct buffer *out)
{
	switch (file->kind) {
	case CATALOGUE_FILE:
		print_content(file, out);
		json_writer_number(out, "mtime", (unsigned long long)file->mtime);
		if (file->executable)
			print_true("executable", out);
		if (file->config)
			print_true("config", out);
		break;
	case CATALOGUE_LINK:
		json_writer_member(out, "target", file->target);
		break;
	case CATALOGUE_FOLDER:
		print_true("folder", out);
		break;
	}
}

void
catalogue_print(const struct catalogue *self, struct buffer *out)
{
	buffer_append(out, "{", 1);
	json_writer_member(out, "format", self->rich ? RICH_FORMAT : FORMAT);
	json_writer_member(out, "product", self->product);
	json_writer_member(out, "version", self->version);
	json_writer_member(out, "expires", self->expires);
	json_writer_key(out, "files");
	buffer_append(out, "[", 1);
	for (size_t i = 0; i < self->file_count; i++) {
		const struct catalogue_file *file = &self->files[i];
		buffer_printf(out, "%s\n{", i > 0 ? "," : "");
		json_writer_member(out, "path", file->path);
		(self->rich ? print_rich : print_content)(file, out);
		buffer_append(out, "}", 1);
	}
	buffer_append(out, "\n]}\n", 4);
}

bool
catalogue_is_current(const struct catalogue *self, time_t now)
{
	uint32_t day = 0;

	return value_day(self->expires, &day) && now / SECONDS_A_DAY <= (time_t)day;
}
