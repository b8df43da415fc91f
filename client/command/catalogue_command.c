/* What `spot catalogue make` and `check` do with a folder. */
#include "catalogue_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/value.h"
#include "client/common/report.h"
#include "client/release/catalogue_config.h"
#include "client/release/catalogue_load.h"
#include "client/release/catalogue_make.h"
#include "client/release/signed.h"

static char *
name_in(const char *folder, const char *name)
{
	return buffer_text("%s/%s", folder, name);
}

static bool
check_order(const struct catalogue_order *order, struct failure *failure)
{
	uint32_t day;

	if (!value_is_id(order->product))
		return failure_set(failure, FAILURE_USAGE, "not a product id: %s", order->product);
	if (!catalogue_is_version(order->version))
		return failure_set(failure, FAILURE_USAGE, "not a version: %s", order->version);
	if (!value_day(order->expires, &day))
		return failure_set(failure, FAILURE_USAGE, "not a date: %s", order->expires);
	return true;
}

static bool
write_signed(
    const struct catalogue_order *order, const struct buffer *text, struct failure *failure)
{
	char *name = name_in(order->folder, CATALOGUE_NAME);
	bool done = signed_write(name, text, order->certificate, order->key, failure);

	free(name);
	return done;
}

bool
catalogue_command_make(const struct catalogue_order *order, struct failure *failure)
{
	struct buffer text = {0};

	if (!check_order(order, failure))
		return false;
	struct catalogue *catalogue = catalogue_make(order->folder, failure);
	if (catalogue == NULL)
		return false;
	if (!catalogue_config_mark(catalogue, order->configs, order->config_count, failure)) {
		catalogue_free(catalogue);
		return false;
	}
	catalogue->product = buffer_strdup(order->product);
	catalogue->version = buffer_strdup(order->version);
	catalogue->expires = buffer_strdup(order->expires);
	catalogue_print(catalogue, &text);
	bool done = catalogue_load_is_current(catalogue, failure) &&
	            (buffer_size(&text) <= CATALOGUE_MAX_BYTES ||
	                failure_set(failure, FAILURE_LOCAL,
	                    "%s: the catalogue would have %zu bytes, and may have %d",
	                    order->folder, buffer_size(&text), CATALOGUE_MAX_BYTES)) &&
	            write_signed(order, &text, failure);
	if (done)
		report_detail(
		    "%s %s: %zu files", order->product, order->version, catalogue->file_count);
	buffer_fini(&text);
	catalogue_free(catalogue);
	return done;
}

/* Reads FOLDER's catalogue, once its signature is good. */
static struct catalogue *
read_signed(const char *folder, const char *signer, struct failure *failure)
{
	char *name = name_in(folder, CATALOGUE_NAME);
	struct signed_text pair = {0};
	struct catalogue *catalogue = NULL;

	if (signed_load(&pair, name, CATALOGUE_MAX_BYTES, signer, failure))
		catalogue = catalogue_load_text(&pair.text, name, failure);
	signed_fini(&pair);
	free(name);
	return catalogue;
}

/* Whether it may be executed is for the folder's owner to change, and that it is configuration is
 * not to be seen there. */
static bool
is_same_file(const struct catalogue_file *a, struct catalogue_file b)
{
	b.config = a->config;
	b.executable = a->executable;
	return catalogue_is_same(a, &b);
}

/* The first form does not know of empty folders. */
static void
drop_folders(struct catalogue *self)
{
	size_t count = 0;

	for (size_t i = 0; i < self->file_count; i++) {
		if (self->files[i].kind == CATALOGUE_FOLDER)
			free(self->files[i].path);
		else
			self->files[count++] = self->files[i];
	}
	self->file_count = count;
}

/* Both are sorted: the first difference is told. */
static bool
compare(const struct catalogue *named, const struct catalogue *found, struct failure *failure)
{
	size_t both = named->file_count < found->file_count ? named->file_count : found->file_count;

	for (size_t i = 0; i < both; i++) {
		const struct catalogue_file *a = &named->files[i], *b = &found->files[i];
		int order = strcmp(a->path, b->path);

		if (order < 0)
			return failure_set(failure, FAILURE_CATALOGUE, "%s is missing", a->path);
		if (order > 0)
			return failure_set(
			    failure, FAILURE_CATALOGUE, "%s is not in the catalogue", b->path);
		if (!is_same_file(a, *b))
			return failure_set(failure, FAILURE_CATALOGUE,
			    a->config ? "%s is configuration, and was edited"
			              : "%s is not the file that the catalogue names",
			    a->path);
	}
	if (both < named->file_count)
		return failure_set(
		    failure, FAILURE_CATALOGUE, "%s is missing", named->files[both].path);
	if (both < found->file_count)
		return failure_set(failure, FAILURE_CATALOGUE, "%s is not in the catalogue",
		    found->files[both].path);
	return true;
}

bool
catalogue_command_check(const char *folder, const char *signer, struct failure *failure)
{
	bool done = false;
	struct catalogue *named = read_signed(folder, signer, failure);

	if (named == NULL)
		return false;
	if (catalogue_load_is_current(named, failure)) {
		struct catalogue *found = catalogue_make(folder, failure);
		if (found != NULL && !named->rich)
			drop_folders(found);
		done = found != NULL && compare(named, found, failure);
		catalogue_free(found);
	}
	catalogue_free(named);
	return done;
}
