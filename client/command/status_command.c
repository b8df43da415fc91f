/*
 * The status. The hard part is to say all that can be known when something is wrong: each thing is
 * found out by itself, and what fails is one of the things to tell.
 */
#include "status_command.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json_writer.h"
#include "catalogue/catalogue.h"
#include "client/cache/install.h"
#include "client/common/report.h"
#include "client/common/signed_time.h"
#include "client/fetch/installed.h"
#include "client/net/expiry.h"
#include "client/net/https.h"
#include "client/release/catalogue_load.h"
#include "client/release/crl_renewal.h"
#include "client/release/index_get.h"
#include "client/release/index_seen.h"
#include "client/release/licence.h"
#include "client/release/release.h"

enum { DAY = 24 * 60 * 60, TIME_SIZE = 32 }; /* seconds; bytes */

/* One folder. */
struct entry {
	const char *folder;
	struct catalogue *catalogue;           /* NULL: it cannot be read */
	size_t missing;                        /* files */
	struct index *index;                   /* NULL: none is known */
	bool fresh;                            /* a server has given it now */
	const struct licence_product *licence; /* NULL: none */
};

struct status {
	const struct config *config;
	time_t ends; /* the client certificate; 0: it cannot be read */
	struct https *https;
	struct licence *licence;
	struct failure servers; /* of no kind: they answered */
	struct install_list list;
	struct entry *entries;
	size_t count;
	bool failed;
	struct failure *first;
};

/* ---- finding out ----------------------------------------------------------------------------- */

static void
note_failure(struct status *self, const struct failure *failure)
{
	if (!self->failed)
		*self->first = *failure;
	self->failed = true;
}

static void
ask_servers(struct status *self)
{
	struct failure failure = {0};

	if (crl_renewal_prepare(self->config, &failure))
		self->https = https_new(self->config, &failure);
	if (self->https != NULL)
		self->licence = licence_get(self->https, &failure);
	if (self->licence != NULL)
		return;
	self->servers = failure;
	if (failure.kind != FAILURE_UNREACHABLE)
		note_failure(self, &failure);
}

static const struct licence_product *
find_licence(const struct licence *licence, const char *product)
{
	for (size_t i = 0; licence != NULL && i < licence->product_count; i++) {
		if (strcmp(licence->products[i].product, product) == 0)
			return &licence->products[i];
	}
	return NULL;
}

/* Whoever cannot have it from a server has what was seen last. */
static void
find_index(struct status *self, struct entry *entry)
{
	const char *product = entry->catalogue->product, *base = NULL;
	struct failure failure = {0};
	bool seen = false;

	if (self->licence != NULL && self->config->release != NULL)
		base = release_base(self->licence, product, &failure);
	if (base != NULL) {
		if (index_get(self->config, product, base, self->https, &entry->index, &failure) ==
		    INDEX_FAILED) {
			report_note("warning: what is newest of %s is not known: %s", product,
			    failure.text);
			if (failure.kind != FAILURE_UNREACHABLE)
				note_failure(self, &failure);
		}
		entry->fresh = entry->index != NULL;
	}
	if (entry->index == NULL && index_seen_has(self->config->cache, product, &seen, &failure) &&
	    seen)
		entry->index = index_seen_load(self->config->cache, product, &failure);
}

static void
look_at(struct status *self, const char *folder)
{
	struct failure failure = {0};
	struct entry *entry = &self->entries[self->count++];
	char *content = install_content(folder);
	char *name = buffer_text("%s/" CATALOGUE_NAME, content);

	*entry = (struct entry){.folder = folder, .catalogue = catalogue_load_file(name, &failure)};
	if (entry->catalogue == NULL) {
		note_failure(self, &failure);
	} else {
		entry->missing = installed_count_missing(content, entry->catalogue);
		entry->licence = find_licence(self->licence, entry->catalogue->product);
		find_index(self, entry);
	}
	if (entry->missing > 0) {
		failure_set(&failure, FAILURE_LOCAL,
		    "%s does not hold %s %s whole: %zu files are missing or have another size",
		    folder, entry->catalogue->product, entry->catalogue->version, entry->missing);
		note_failure(self, &failure);
	}
	free(name);
	free(content);
}

static void
look_at_all(struct status *self, char *const *folders, size_t count)
{
	struct failure failure = {0};

	if (count == 0 && !install_list_readable(self->config->cache, &self->list, &failure))
		note_failure(self, &failure);
	self->entries = buffer_alloc_list(count + self->list.count, sizeof *self->entries);
	for (size_t i = 0; i < count; i++)
		look_at(self, folders[i]);
	for (size_t i = 0; i < self->list.count; i++)
		look_at(self, self->list.installs[i].folder);
}

/* ---- printing -------------------------------------------------------------------------------- */

static void
print_time(time_t when, char text[TIME_SIZE])
{
	struct tm tm;

	if (when == 0 || gmtime_r(&when, &tm) == NULL ||
	    strftime(text, TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		text[0] = '\0';
}

static long
days_left(const struct status *self)
{
	time_t left = self->ends - time(NULL);

	return (long)(left >= 0 ? left / DAY : -1);
}

static const char *
licence_end(const struct status *self, const struct entry *entry)
{
	if (self->licence == NULL)
		return "unknown";
	if (entry->licence == NULL || !entry->licence->valid)
		return "none";
	return entry->licence->until != NULL ? entry->licence->until : "no end";
}

static void
print_entry(const struct status *self, const struct entry *entry, struct buffer *out)
{
	const struct catalogue *catalogue = entry->catalogue;
	const struct index *index = entry->index;

	if (catalogue == NULL) {
		buffer_printf(out, "%-16s %-10s %-10s %-10s %-6s %-10s %-10s %-10s %s\n", "-", "-",
		    "unreadable", "-", "-", "-", "-", "-", entry->folder);
		return;
	}
	buffer_printf(out, "%-16s %-10s %-10s %-10s %-6s %-10s %-10s %-10s %s\n",
	    catalogue->product, catalogue->version, index_state(index, catalogue->version),
	    index != NULL ? index_newest(index) : "-", entry->missing == 0 ? "yes" : "no",
	    catalogue->expires, index != NULL ? index->expires : "-", licence_end(self, entry),
	    entry->folder);
}

static void
print(const struct status *self, struct buffer *out)
{
	char ends[TIME_SIZE];

	print_time(self->ends, ends);
	if (self->ends == 0)
		buffer_printf(out, "certificate  cannot be read: %s\n", self->config->certificate);
	else if (days_left(self) < 0)
		buffer_printf(out, "certificate  has ended on %s\n", ends);
	else
		buffer_printf(out, "certificate  ends on %s, in %ld days\n", ends, days_left(self));
	buffer_printf(out, "servers      %s\n",
	    self->servers.kind == FAILURE_NONE ? "answer" : self->servers.text);
	if (self->count == 0)
		return;
	buffer_printf(out, "\n%-16s %-10s %-10s %-10s %-6s %-10s %-10s %-10s %s\n", "INSTALLED",
	    "VERSION", "STATE", "NEWEST", "WHOLE", "CATALOGUE", "INDEX", "LICENCE", "FOLDER");
	for (size_t i = 0; i < self->count; i++)
		print_entry(self, &self->entries[i], out);
}

static void
print_bool(struct buffer *out, const char *key, bool value)
{
	json_writer_key(out, key);
	buffer_printf(out, "%s", value ? "true" : "false");
}

static void
print_licence_json(const struct status *self, const struct entry *entry, struct buffer *out)
{
	const struct licence_product *licence = entry->licence;

	if (self->licence == NULL)
		json_writer_member(out, "licensed", NULL);
	else
		print_bool(out, "licensed", licence != NULL && licence->valid);
	json_writer_member(out, "licence_until", licence != NULL ? licence->until : NULL);
}

static void
print_entry_json(const struct status *self, const struct entry *entry, struct buffer *out)
{
	const struct catalogue *catalogue = entry->catalogue;
	const struct index *index = entry->index;

	buffer_append(out, "{", 1);
	json_writer_member(out, "folder", entry->folder);
	json_writer_member(out, "product", catalogue != NULL ? catalogue->product : NULL);
	if (catalogue != NULL) {
		json_writer_member(out, "version", catalogue->version);
		json_writer_member(out, "state", index_state(index, catalogue->version));
		print_bool(out, "whole", entry->missing == 0);
		json_writer_number(out, "missing", entry->missing);
		json_writer_member(out, "catalogue_until", catalogue->expires);
		json_writer_member(out, "newest", index != NULL ? index_newest(index) : NULL);
		json_writer_member(out, "index_until", index != NULL ? index->expires : NULL);
		json_writer_member(out, "index_from",
		    index == NULL  ? NULL
		    : entry->fresh ? "server"
		                   : "memory");
		print_licence_json(self, entry, out);
	}
	buffer_append(out, "}", 1);
}

static void
print_json(const struct status *self, struct buffer *out)
{
	char ends[TIME_SIZE];
	bool reached = self->servers.kind == FAILURE_NONE;

	print_time(self->ends, ends);
	buffer_puts(out, "{\"certificate\":{");
	json_writer_member(out, "file", self->config->certificate);
	json_writer_member(out, "ends", self->ends != 0 ? ends : NULL);
	json_writer_key(out, "days");
	buffer_printf(out, "%ld},\"servers\":{", days_left(self));
	print_bool(out, "answer", reached);
	json_writer_member(out, "failure", reached ? NULL : failure_word(self->servers.kind));
	json_writer_member(out, "detail", reached ? NULL : self->servers.text);
	buffer_puts(out, "},\"installed\":[");
	for (size_t i = 0; i < self->count; i++) {
		buffer_append(out, ",", i > 0);
		print_entry_json(self, &self->entries[i], out);
	}
	buffer_append(out, "]", 1);
	if (self->failed)
		report_failure_members(self->first, out);
	buffer_append(out, "}\n", 2);
}

static void
fini(struct status *self)
{
	for (size_t i = 0; i < self->count; i++) {
		catalogue_free(self->entries[i].catalogue);
		index_free(self->entries[i].index);
	}
	free(self->entries);
	install_list_fini(&self->list);
	licence_free(self->licence);
	https_free(self->https);
}

bool
status_command(const struct config *config, char *const *folders, size_t count, bool json,
    struct buffer *out, struct failure *failure)
{
	struct status self = {.config = config, .first = failure};

	if (!expiry_read(config, &self.ends))
		self.ends = 0;
	ask_servers(&self);
	look_at_all(&self, folders, count);
	(json ? print_json : print)(&self, out);
	fini(&self);
	return !self.failed;
}
