/* Checking without serving. The one hard part is to be stricter than a start: what a gate would
 * serve in spite of, a catalogue that cannot be trusted, is a problem here. */
#include "check.h"

#include <stdlib.h>

#include "loading.h"
#include "sandbox.h"

static bool
has_good_catalogues(const struct generation *generation)
{
	struct catalogue_image *image = generation_catalogues(generation);
	const uint32_t *versions = image != NULL ? catalogue_image_header(image)->versions : NULL;
	bool good = versions == NULL || (versions[CATALOGUE_IMAGE_REFUSED] == 0 &&
	                                    versions[CATALOGUE_IMAGE_PENDING] == 0);

	catalogue_image_free(image);
	return good;
}

int
check_run(struct config *config)
{
	struct sandbox_user user;
	struct generation *generation = loading_first(config, false);
	bool good = sandbox_find_user(config->user, &user) && generation != NULL &&
	            has_good_catalogues(generation);

	generation_free(generation);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
