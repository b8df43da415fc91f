/* From what is wrong with a catalogue to a failure: nothing here is hard. */
#include "catalogue_load.h"

#include <string.h>

#include "client/common/file.h"
#include "client/common/signed_time.h"

struct catalogue *
catalogue_load_text(const struct buffer *text, const char *name, struct failure *failure)
{
	char defect[CATALOGUE_DEFECT_MAX];
	struct catalogue *catalogue = catalogue_read(text, defect);

	if (catalogue == NULL)
		failure_set(failure, FAILURE_CATALOGUE, "%s %s", name, defect);
	return catalogue;
}

struct catalogue *
catalogue_load_file(const char *name, struct failure *failure)
{
	struct buffer text = {0};
	struct catalogue *catalogue = NULL;

	if (file_read(name, CATALOGUE_MAX_BYTES, &text, failure))
		catalogue = catalogue_load_text(&text, name, failure);
	buffer_fini(&text);
	return catalogue;
}

bool
catalogue_load_is_current(const struct catalogue *self, struct failure *failure)
{
	return catalogue_is_current(self, signed_time_now()) ||
	       failure_set(failure, FAILURE_CATALOGUE,
	           "the catalogue of %s %s has expired: it was valid until %s", self->product,
	           self->version, self->expires) ||
	       signed_time_blame(failure);
}

bool
catalogue_load_may_follow(
    const struct catalogue *old, const struct catalogue *new, struct failure *failure)
{
	int order = catalogue_compare_versions(new->version, old->version);

	if (order < 0)
		return failure_set(failure, FAILURE_CATALOGUE,
		    "the server offers version %s of %s, and %s is here already", new->version,
		    new->product, old->version);
	if (order > 0)
		return true;
	bool same = old->file_count == new->file_count &&strcmp(new->expires, old->expires) >= 0;
	for (size_t i = 0; i < new->file_count &&same; i++)
		same = catalogue_is_same(&old->files[i], &new->files[i]);
	return same || failure_set(failure, FAILURE_CATALOGUE,
	                   "the server offers another catalogue of version %s than the one here",
	                   new->version);
}
