/*
 * Listing. The one hard part is none: each product's index is asked for once, however many folders
 * hold the product.
 */
#include "list_command.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_writer.h"
#include "catalogue/catalogue.h"
#include "client/cache/install.h"
#include "client/common/report.h"
#include "client/release/index_get.h"
#include "client/release/licence.h"
#include "client/release/release.h"

/* The index of the product of an entry of the list. */
struct known {
	struct index *index; /* NULL: not known */
	bool shared;         /* with an earlier entry, which frees it */
};

struct listing {
	const struct config *config;
	const struct licence *licence;
	struct https *https;
	struct install_list list;
	struct known *known; /* for each entry of the list */
};

/* ---- what the servers say ----------------------------------------------------------------- */

/* The index of PRODUCT; NULL, and the user is told why, unless there simply is none. */
static struct index *
ask(const struct listing *self, const char *product)
{
	struct failure failure = {0};
	struct index *index = NULL;
	const char *base = release_base(self->licence, product, &failure);

	if (self->config->release == NULL)
		return NULL;
	if (base == NULL ||
	    index_get(self->config, product, base, self->https, &index, &failure) == INDEX_FAILED)
		report_note(
		    "warning: what is newest of %s is not known: %s", product, failure.text);
	return index;
}

static void
ask_for_all(struct listing *self)
{
	const struct install *installs = self->list.installs;

	self->known = buffer_alloc((self->list.count + 1) * sizeof *self->known);
	for (size_t i = 0; i < self->list.count; i++) {
		size_t same = 0;
		while (strcmp(installs[same].product, installs[i].product) != 0)
			same++;
		self->known[i].shared = same < i;
		self->known[i].index =
		    same < i ? self->known[same].index : ask(self, installs[i].product);
	}
}

/* ---- printing ----------------------------------------------------------------------------- */

static void
print(const struct listing *self, struct buffer *out)
{
	licence_print(self->licence, out);
	if (self->list.count > 0)
		buffer_printf(out, "\n%-24s %-10s %-10s %-10s %s\n", "INSTALLED", "VERSION",
		    "STATE", "NEWEST", "FOLDER");
	for (size_t i = 0; i < self->list.count; i++) {
		const struct install *install = &self->list.installs[i];
		const struct index *index = self->known[i].index;
		buffer_printf(out, "%-24s %-10s %-10s %-10s %s\n", install->product,
		    install->version, index_state(index, install->version),
		    index != NULL ? index_newest(index) : "-", install->folder);
	}
}

static void
print_json(const struct listing *self, struct buffer *out)
{
	buffer_append(out, "{", 1);
	licence_print_members(self->licence, out);
	json_writer_key(out, "installed");
	buffer_append(out, "[", 1);
	for (size_t i = 0; i < self->list.count; i++) {
		const struct install *install = &self->list.installs[i];
		const struct index *index = self->known[i].index;
		buffer_printf(out, "%s{", i > 0 ? "," : "");
		json_writer_member(out, "product", install->product);
		json_writer_member(out, "version", install->version);
		json_writer_member(out, "state", index_state(index, install->version));
		json_writer_member(out, "newest", index != NULL ? index_newest(index) : NULL);
		json_writer_member(out, "folder", install->folder);
		buffer_append(out, "}", 1);
	}
	buffer_append(out, "]}\n", 3);
}

static void
fini(struct listing *self)
{
	for (size_t i = 0; i < self->list.count; i++) {
		if (!self->known[i].shared)
			index_free(self->known[i].index);
	}
	free(self->known);
	install_list_fini(&self->list);
}

bool
list_command(const struct config *config, bool json, struct https *https, struct buffer *out,
    struct failure *failure)
{
	struct failure unreadable = {0};
	struct licence *licence = licence_get(https, failure);
	struct listing self = {.config = config, .licence = licence, .https = https};

	if (licence == NULL)
		return false;
	if (!install_list_readable(config->cache, &self.list, &unreadable))
		report_note("warning: %s", unreadable.text);
	ask_for_all(&self);
	(json ? print_json : print)(&self, out);
	fini(&self);
	licence_free(licence);
	return true;
}
