/*
 * Catalogues, read and written.
 *
 * The hard part is to read strictly without two parsers of one thing: what was read is printed
 * again and must give the same bytes. So there are no repeated keys, no other order, no other
 * spelling of a number, and nothing in the file that is not in the structure.
 */
#include "catalogue.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "catalogue_names.h"
#include "json_writer.h"
#include "path.h"
#include "policy_value.h"

#define FORMAT "catalogue/1"

enum {
	MAX_DEPTH = 32, /* folders of a path */
	VERSION_NUMBERS = 6,
	VERSION_DIGITS = 9,
	SECONDS_A_DAY = 24 * 60 * 60,
};

/* --- versions */

bool
catalogue_is_version(const char *text)
{
	for (int numbers = 1; numbers <= VERSION_NUMBERS; numbers++) {
		size_t digits = strspn(text, "0123456789");
		if (digits == 0 || digits > VERSION_DIGITS || (digits > 1 && *text == '0'))
			return false;
		text += digits;
		if (*text != '.')
			return *text == '\0';
		text++;
	}
	return false;
}

int
catalogue_compare_versions(const char *a, const char *b)
{
	while (*a != '\0' || *b != '\0') {
		char *a_end = NULL, *b_end = NULL;
		unsigned long a_number = strtoul(a, &a_end, 10), b_number = strtoul(b, &b_end, 10);

		if (a_number != b_number)
			return a_number < b_number ? -1 : 1;
		a = *a_end == '.' ? a_end + 1 : a_end;
		b = *b_end == '.' ? b_end + 1 : b_end;
	}
	return 0;
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
	return begins_with_segment(path, CATALOGUE_NAME) ||
	       begins_with_segment(path, CATALOGUE_SIGNATURE_NAME) ||
	       strncasecmp(path, CATALOGUE_PART_NAME, sizeof CATALOGUE_PART_NAME - 1) == 0;
}

const char *
catalogue_path_defect(const char *path)
{
	char *absolute = NULL;

	if (is_own(path))
		return "has a name that is spot's own";
	if (asprintf(&absolute, "/%s", path) < 0)
		abort();
	size_t len = strlen(absolute);
	const char *defect = path_defect(absolute, len);
	if (defect == NULL && absolute[len - 1] == '/')
		defect = "names a folder";
	free(absolute);
	int depth = 0;
	for (const char *c = path; *c != '\0'; c++)
		depth += *c == '/';
	return defect == NULL && depth > MAX_DEPTH ? "is nested too deeply" : defect;
}

static int
compare_paths(const void *a, const void *b)
{
	return strcmp(
	    ((const struct catalogue_file *)a)->path, ((const struct catalogue_file *)b)->path);
}

bool
catalogue_settle(struct catalogue *self, char defect[CATALOGUE_DEFECT_MAX])
{
	if (self->file_count > 0)
		qsort(self->files, self->file_count, sizeof *self->files, compare_paths);
	const char *clash = catalogue_names_clash(self);
	if (clash != NULL)
		snprintf(defect, CATALOGUE_DEFECT_MAX,
		    "names %s: another file has that name but for the case of letters, or is the "
		    "folder of this one",
		    clash);
	return clash == NULL;
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
read_file(const json_t *entry, struct catalogue_file *file)
{
	const json_t *size = json_object_get(entry, "size");
	bool has_sha256 = json_object_get(entry, "sha256") != NULL;

	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return false;
	file->digest.size = (uint64_t)json_integer_value(size);
	return read_text(entry, "path", &file->path) && catalogue_path_defect(file->path) == NULL &&
	       read_digest(entry, "sha1", DIGEST_SHA1_SIZE, file->digest.sha1) &&
	       (!has_sha256 ||
	           read_digest(entry, "sha256", DIGEST_SHA256_SIZE, file->digest.sha256));
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
		if (!read_file(entry, &self->files[self->file_count++]))
			return false;
	}
	return true;
}

static bool
read_all(const json_t *root, struct catalogue *self)
{
	uint32_t day;

	return read_text(root, "product", &self->product) && policy_value_is_id(self->product) &&
	       read_text(root, "version", &self->version) && catalogue_is_version(self->version) &&
	       read_text(root, "expires", &self->expires) &&
	       policy_value_day(self->expires, &day) &&
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
	for (size_t i = 0; i < self->file_count; i++)
		free(self->files[i].path);
	free(self->files);
	free(self->product);
	free(self->version);
	free(self->expires);
	free(self);
}

/* --- writing */

void
catalogue_print(const struct catalogue *self, struct buffer *out)
{
	buffer_append(out, "{", 1);
	json_writer_member(out, "format", FORMAT);
	json_writer_member(out, "product", self->product);
	json_writer_member(out, "version", self->version);
	json_writer_member(out, "expires", self->expires);
	json_writer_key(out, "files");
	buffer_append(out, "[", 1);
	for (size_t i = 0; i < self->file_count; i++) {
		const struct catalogue_file *file = &self->files[i];
		buffer_printf(out, "%s\n{", i > 0 ? "," : "");
		json_writer_member(out, "path", file->path);
		json_writer_number(out, "size", file->digest.size);
		json_writer_member(out, "sha1", file->digest.sha1);
		if (file->digest.sha256[0] != '\0')
			json_writer_member(out, "sha256", file->digest.sha256);
		buffer_append(out, "}", 1);
	}
	buffer_append(out, "\n]}\n", 4);
}

bool
catalogue_is_current(const struct catalogue *self, time_t now)
{
	uint32_t day = 0;

	return policy_value_day(self->expires, &day) && now / SECONDS_A_DAY <= (time_t)day;
}
