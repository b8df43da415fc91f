/*
 * Making an index of a folder with versions.
 *
 * The one hard part is to leave nothing wrong for mirrors to find: each catalogue is read and its
 * signature checked before the index names it.
 */
#include "index_command.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/value.h"
#include "client/common/duration.h"
#include "client/common/file.h"
#include "client/common/report.h"
#include "client/release/catalogue_load.h"
#include "client/release/index.h"
#include "client/release/signed.h"

static char *
name_in(const char *folder, const char *name)
{
	return buffer_text("%s/%s", folder, name);
}

/* The day, YYYY-MM-DD in UTC, on which DURATION from now is over. */
static bool
last_day(const char *duration, char **day, struct failure *failure)
{
	enum { DAY_SIZE = 32 };
	uint64_t seconds;
	char text[DAY_SIZE];
	struct tm tm;

	if (!duration_read(duration, &seconds) || seconds == 0)
		return failure_set(failure, FAILURE_USAGE,
		    "--expires-in takes a duration, such as 7d or 36h, not %s", duration);
	time_t end = time(NULL) + (time_t)seconds;
	if (gmtime_r(&end, &tm) == NULL || strftime(text, sizeof text, "%Y-%m-%d", &tm) == 0)
		abort(); /* a duration ends long before time does */
	*day = buffer_strdup(text);
	return true;
}

/* Checks ORDER, and sets *EXPIRES to the last day of the index. */
static bool
check_order(const struct index_order *order, char **expires, struct failure *failure)
{
	uint32_t day;

	if (!value_is_id(order->product))
		return failure_set(failure, FAILURE_USAGE, "not a product id: %s", order->product);
	if (order->expires == NULL)
		return last_day(
		    order->expires_in != NULL ? order->expires_in : INDEX_COMMAND_EXPIRES_IN,
		    expires, failure);
	if (!value_day(order->expires, &day))
		return failure_set(failure, FAILURE_USAGE, "not a date: %s", order->expires);
	*expires = buffer_strdup(order->expires);
	return true;
}

/* Sets *SERIAL to the one that comes next. */
static bool
next_serial(const struct index_order *order, uint64_t *serial, struct failure *failure)
{
	char *name = name_in(order->folder, INDEX_NAME);
	bool absent = access(name, F_OK) != 0 && errno == ENOENT;
	struct buffer text = {0};
	struct index *old = NULL;

	*serial = 1;
	if (!absent && file_read(name, INDEX_MAX_BYTES, &text, failure))
		old = index_read(&text, name, failure);
	bool done = absent;
	if (old != NULL && strcmp(old->product, order->product) != 0) {
		failure_set(failure, FAILURE_CATALOGUE, "%s is the index of %s, not of %s", name,
		    old->product, order->product);
	} else if (old != NULL && old->serial == INDEX_MAX_SERIAL) {
		failure_set(failure, FAILURE_CATALOGUE, "%s has the last serial there is", name);
	} else if (old != NULL) {
		*serial = old->serial + 1;
		done = true;
	}
	index_free(old);
	buffer_fini(&text);
	free(name);
	return done;
}

/* ---- the versions ------------------------------------------------------------------------- */

/* True when DIR/VERSION has a catalogue, whatever is in it. */
static bool
has_catalogue(const struct index_order *order, const char *version)
{
	char *folder = name_in(order->folder, version);
	char *name = name_in(folder, CATALOGUE_NAME);
	bool found = access(name, F_OK) == 0 || errno != ENOENT;

	if (!found)
		report_note("%s is left out: it has no " CATALOGUE_NAME, folder);
	free(name);
	free(folder);
	return found;
}

static bool
add_version(const struct index_order *order, struct index *index, const char *version,
    struct failure *failure)
{
	if (index->version_count == INDEX_MAX_VERSIONS)
		return failure_set(failure, FAILURE_LOCAL,
		    "%s holds more than %d versions, which is all that an index can name: take "
		    "those away that nobody needs",
		    order->folder, INDEX_MAX_VERSIONS);
	index->versions[index->version_count++] = buffer_strdup(version);
	return true;
}

static bool
find_versions(const struct index_order *order, struct index *index, struct failure *failure)
{
	const struct dirent *entry = NULL;
	DIR *stream = opendir(order->folder);
	bool done = true;

	if (stream == NULL)
		return failure_set(
		    failure, FAILURE_LOCAL, "cannot open %s: %s", order->folder, strerror(errno));
	index->versions = buffer_alloc(INDEX_MAX_VERSIONS * sizeof *index->versions);
	/* cppcheck-suppress readdirCalled ; the stream is this call's own */
	while (errno = 0, done && (entry = readdir(stream)) != NULL) {
		if (catalogue_is_version(entry->d_name) && has_catalogue(order, entry->d_name))
			done = add_version(order, index, entry->d_name, failure);
	}
	if (done && errno != 0)
		done = failure_set(
		    failure, FAILURE_LOCAL, "cannot read %s: %s", order->folder, strerror(errno));
	closedir(stream);
	if (done && index->version_count == 0)
		done = failure_set(failure, FAILURE_LOCAL,
		    "%s holds no version with a " CATALOGUE_NAME, order->folder);
	return done && index_settle(index, failure);
}

static bool
is_catalogue_of(const struct index_order *order, const struct catalogue *catalogue,
    const char *version, const char *name, struct failure *failure)
{
	struct failure expired;

	if (strcmp(catalogue->product, order->product) != 0 ||
	    strcmp(catalogue->version, version) != 0)
		return failure_set(failure, FAILURE_CATALOGUE,
		    "%s is the catalogue of %s %s, not of %s %s", name, catalogue->product,
		    catalogue->version, order->product, version);
	if (!catalogue_load_is_current(catalogue, &expired))
		report_note("%s; no client takes it", expired.text);
	return true;
}

/* Loads VERSION's catalogue into PAIR, which is zeroed, and checks it. */
static bool
load_version(const struct index_order *order, const char *version, struct signed_text *pair,
    struct failure *failure)
{
	char *folder = name_in(order->folder, version);
	char *name = name_in(folder, CATALOGUE_NAME);
	struct catalogue *catalogue = NULL;

	if (signed_load(pair, name, CATALOGUE_MAX_BYTES, order->certificate, failure))
		catalogue = catalogue_load_text(&pair->text, name, failure);
	bool done = catalogue != NULL && is_catalogue_of(order, catalogue, version, name, failure);
	catalogue_free(catalogue);
	free(name);
	free(folder);
	return done;
}

/* ---- writing ------------------------------------------------------------------------------ */

/* The index comes first, so that a key that cannot be used leaves all as it was. */
static bool
write_all(const struct index_order *order, const struct index *index,
    const struct signed_text *newest, struct failure *failure)
{
	char *catalogue = name_in(order->folder, CATALOGUE_NAME);
	char *signature = name_in(order->folder, CATALOGUE_SIGNATURE_NAME);
	char *name = name_in(order->folder, INDEX_NAME);
	struct buffer text = {0};

	index_print(index, &text);
	bool done = index_is_current(index, failure) &&
	            signed_write(name, &text, order->certificate, order->key, failure) &&
	            file_write(catalogue, &newest->text, failure) &&
	            file_write(signature, &newest->signature, failure);
	buffer_fini(&text);
	free(name);
	free(signature);
	free(catalogue);
	return done;
}

bool
index_command_make(const struct index_order *order, struct failure *failure)
{
	struct index *index = buffer_alloc(sizeof *index);
	struct signed_text newest = {0};
	bool done = check_order(order, &index->expires, failure);

	if (done) {
		index->product = buffer_strdup(order->product);
		done = next_serial(order, &index->serial, failure) &&
		       find_versions(order, index, failure);
	}
	for (size_t i = 0; i < index->version_count && done; i++) {
		signed_fini(&newest);
		done = load_version(order, index->versions[i], &newest, failure);
	}
	done = done && write_all(order, index, &newest, failure);
	if (done)
		report_detail("%s: index %llu, %zu versions, valid until %s", order->product,
		    (unsigned long long)index->serial, index->version_count, index->expires);
	signed_fini(&newest);
	index_free(index);
	return done;
}
