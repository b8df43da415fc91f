/* From what is wrong with a catalogue to a failure: nothing here is hard. */
#include "catalogue_load.h"

#include <time.h>

#include "file.h"

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
	return catalogue_is_current(self, time(NULL)) ||
	       failure_set(failure, FAILURE_CATALOGUE,
	           "the catalogue of %s %s has expired: it was valid until %s", self->product,
	           self->version, self->expires);
}
