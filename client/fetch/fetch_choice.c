/* The choice. Nothing is hard here. */
#include "fetch_choice.h"

#include <string.h>

enum fetch_choice
fetch_choice_make(const struct index *index, const char **version, const struct catalogue *old,
    struct failure *failure)
{
	const char *newest = index_newest(index);

	if (*version == NULL) {
		if (old != NULL && catalogue_compare_versions(newest, old->version) < 0)
			return FETCH_CHOICE_KEEP;
		*version = newest;
		return FETCH_CHOICE_BRING;
	}
	if (index_has(index, *version))
		return FETCH_CHOICE_BRING;
	if (old != NULL && strcmp(old->version, *version) == 0)
		return FETCH_CHOICE_KEEP;
	failure_set(failure, FAILURE_NOT_FOUND,
	    "version %s of %s was withdrawn, or never was: index %llu does not name it, and %s is "
	    "the newest that it names",
	    *version, index->product, (unsigned long long)index->serial, newest);
	return FETCH_CHOICE_REFUSE;
}
