/* Indexes, read and written. The hard part is to read strictly: as with catalogues, what was read
 * is printed again and must give the same bytes. */
#include "index.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_writer.h"
#include "base/value.h"
#include "catalogue/catalogue.h"
#include "client/common/signed_time.h"

#define FORMAT "index/1"

enum { SECONDS_A_DAY = 24 * 60 * 60 };

static int
compare(const void *a, const void *b)
{
	return catalogue_compare_versions(*(char *const *)a, *(char *const *)b);
}

bool
index_settle(struct index *self, struct failure *failure)
{
	if (self->version_count > 0)
		qsort(self->versions, self->version_count, sizeof *self->versions, compare);
	for (size_t i = 1; i < self->version_count; i++) {
		if (compare(&self->versions[i - 1], &self->versions[i]) == 0)
			return failure_set(failure, FAILURE_CATALOGUE,
			    "%s and %s are one version of %s", self->versions[i - 1],
			    self->versions[i], self->product);
	}
	return true;
}

static bool
read_text(const json_t *object, const char *key, char **text)
{
	const char *value = json_string_value(json_object_get(object, key));

	if (value == NULL)
		return false;
	*text = buffer_strdup(value);
	return true;
}

static bool
read_versions(const json_t *list, struct index *self)
{
	const json_t *entry;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) == 0 ||
	    json_array_size(list) > INDEX_MAX_VERSIONS)
		return false;
	self->versions = buffer_alloc(json_array_size(list) * sizeof *self->versions);
	json_array_foreach(list, i, entry)
	{
		const char *version = json_string_value(entry);
		if (version == NULL || !catalogue_is_version(version))
			return false;
		self->versions[self->version_count++] = buffer_strdup(version);
	}
	return true;
}

static bool
read_all(const json_t *root, struct index *self)
{
	const json_t *serial = json_object_get(root, "serial");
	uint32_t day;

	if (!json_is_integer(serial) || json_integer_value(serial) < 1)
		return false;
	self->serial = (uint64_t)json_integer_value(serial);
	return read_text(root, "product", &self->product) && value_is_id(self->product) &&
	       read_text(root, "expires", &self->expires) && value_day(self->expires, &day) &&
	       read_versions(json_object_get(root, "versions"), self);
}

static bool
prints_as(const struct index *self, const struct buffer *text)
{
	struct buffer out = {0};

	index_print(self, &out);
	bool same = buffer_size(&out) == buffer_size(text) &&
	            memcmp(buffer_bytes(&out), buffer_bytes(text), buffer_size(text)) == 0;
	buffer_fini(&out);
	return same;
}

struct index *
index_read(const struct buffer *text, const char *name, struct failure *failure)
{
	struct index *self = buffer_alloc(sizeof *self);
	json_t *root = json_loadb(text->data != NULL ? buffer_bytes(text) : "", buffer_size(text),
	    JSON_REJECT_DUPLICATES, NULL);
	bool done = read_all(root, self) && index_settle(self, failure);

	bool many = json_array_size(json_object_get(root, "versions")) > INDEX_MAX_VERSIONS;
	json_decref(root);
	if (!done && many)
		failure_set(failure, FAILURE_CATALOGUE,
		    "%s names more than %d versions, which is all that an index can", name,
		    INDEX_MAX_VERSIONS);
	else if (!done)
		failure_set(failure, FAILURE_CATALOGUE, "%s is not an index", name);
	else if (!prints_as(self, text))
		done = failure_set(failure, FAILURE_CATALOGUE,
		    "%s is not in the one form that an index has", name);
	if (!done) {
		index_free(self);
		self = NULL;
	}
	return self;
}

void
index_free(struct index *self)
{
	if (self == NULL)
		return;
	for (size_t i = 0; i < self->version_count; i++)
		free(self->versions[i]);
	free(self->versions);
	free(self->product);
	free(self->expires);
	free(self);
}

void
index_print(const struct index *self, struct buffer *out)
{
	buffer_append(out, "{", 1);
	json_writer_member(out, "format", FORMAT);
	json_writer_member(out, "product", self->product);
	json_writer_number(out, "serial", self->serial);
	json_writer_member(out, "expires", self->expires);
	json_writer_key(out, "versions");
	buffer_append(out, "[", 1);
	for (size_t i = 0; i < self->version_count; i++) {
		buffer_append(out, ",", i > 0);
		json_writer_string(out, self->versions[i]);
	}
	buffer_append(out, "]}\n", 3);
}

bool
index_is_current(const struct index *self, struct failure *failure)
{
	uint32_t day = 0;

	return (value_day(self->expires, &day) &&
	           signed_time_now() / SECONDS_A_DAY <= (time_t)day) ||
	       failure_set(failure, FAILURE_CATALOGUE,
	           "the index of %s has expired: it was valid until %s", self->product,
	           self->expires) ||
	       signed_time_blame(failure);
}

bool
index_has(const struct index *self, const char *version)
{
	for (size_t i = 0; i < self->version_count; i++) {
		if (strcmp(self->versions[i], version) == 0)
			return true;
	}
	return false;
}

const char *
index_newest(const struct index *self)
{
	assert(self->version_count > 0);
	return self->versions[self->version_count - 1];
}

const char *
index_state(const struct index *self, const char *version)
{
	if (self == NULL)
		return "unknown";
	if (!index_has(self, version))
		return "withdrawn";
	return strcmp(index_newest(self), version) == 0 ? "newest" : "older";
}
