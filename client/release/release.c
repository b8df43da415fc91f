/* Getting a signed catalogue. What is hard about the pair of files is in signed.c. */
#include "release.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalogue_load.h"
#include "client/common/report.h"
#include "signed.h"

const char *
release_base(const struct licence *licence, const char *product, struct failure *failure)
{
	for (size_t i = 0; i < licence->product_count; i++) {
		const struct licence_product *candidate = &licence->products[i];
		for (size_t j = 0; j < candidate->path_count; j++) {
			const char *path = candidate->paths[j];
			if (candidate->valid && strcmp(candidate->product, product) == 0 &&
			    path[strlen(path) - 1] == '/')
				return path;
		}
	}
	failure_set(failure, FAILURE_REFUSED, "there is no licence for %s now", product);
	return NULL;
}

/* What SHA-1 alone vouches for can be forged by who can make it collide: only on demand. */
static bool
has_digests(const struct catalogue *catalogue, const struct release_order *order, const char *name,
    struct failure *failure)
{
	size_t weak = 0;

	for (size_t i = 0; i < catalogue->file_count; i++)
		weak += catalogue->files[i].kind == CATALOGUE_FILE &&
		        catalogue->files[i].digest.sha256[0] == '\0';
	if (weak == 0)
		return true;
	if (!order->allow_sha1)
		return failure_set(failure, FAILURE_CATALOGUE,
		    "%s has files that SHA-1 alone vouches for: %zu; `allow_sha1: true` would "
		    "accept them",
		    name, weak);
	report_note("warning: %s %s has files that SHA-1 alone vouches for: %zu",
	    catalogue->product, catalogue->version, weak);
	return true;
}

static bool
is_asked_for(const struct catalogue *catalogue, const struct release_order *order, const char *name,
    struct failure *failure)
{
	if (strcmp(catalogue->product, order->product) != 0)
		return failure_set(failure, FAILURE_CATALOGUE,
		    "%s is the catalogue of %s, not of %s", name, catalogue->product,
		    order->product);
	if (!catalogue_load_is_current(catalogue, failure))
		return false;
	return order->version == NULL || strcmp(order->version, catalogue->version) == 0 ||
	       failure_set(failure, FAILURE_CATALOGUE, "%s is the catalogue of version %s", name,
	           catalogue->version);
}

bool
release_get(struct release *self, const struct release_order *order, const char *base,
    struct https *https, struct failure *failure)
{
	bool newest = order->version == NULL;
	struct signed_text pair = {0};
	char *name = buffer_text(
	    "%s%s%s" CATALOGUE_NAME, base, newest ? "" : order->version, newest ? "" : "/");
	bool done = signed_get(&pair, name, CATALOGUE_MAX_BYTES, order->signer, https, failure);
	self->text = pair.text;
	self->signature = pair.signature;
	if (done)
		self->catalogue = catalogue_load_text(&self->text, name, failure);
	done = self->catalogue != NULL && is_asked_for(self->catalogue, order, name, failure) &&
	       has_digests(self->catalogue, order, name, failure);
	free(name);
	return done;
}

void
release_fini(struct release *self)
{
	buffer_fini(&self->text);
	buffer_fini(&self->signature);
	catalogue_free(self->catalogue);
	self->catalogue = NULL;
}

char *
release_path(const struct release *self, const char *base, const struct catalogue_file *file)
{
	return buffer_text("%s%s/%s", base, self->catalogue->version, file->path);
}
