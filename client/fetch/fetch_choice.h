/* Which version is fetched, by what the index of the product says. */
#ifndef CLIENT_FETCH_CHOICE_H
#define CLIENT_FETCH_CHOICE_H

#include "catalogue/catalogue.h"
#include "client/common/failure.h"
#include "client/release/index.h"

enum fetch_choice {
	FETCH_CHOICE_BRING,
	FETCH_CHOICE_KEEP,   /* the one that is there was withdrawn, and stays */
	FETCH_CHOICE_REFUSE, /* FAILURE is filled */
};

/* *VERSION is the one that is asked for, or NULL for the newest; BRING sets it to the one to bring,
 * which lives as long as INDEX or as it did. OLD is the catalogue of what is installed, or NULL.
 * What was withdrawn is never brought, and nothing goes back to an older version by itself. */
enum fetch_choice fetch_choice_make(const struct index *index, const char **version,
    const struct catalogue *old, struct failure *failure);

#endif
