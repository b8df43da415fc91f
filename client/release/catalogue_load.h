/* Catalogues from files and answers, with failures as spot tells them. */
#ifndef CLIENT_CATALOGUE_LOAD_H
#define CLIENT_CATALOGUE_LOAD_H

#include "catalogue/catalogue.h"
#include "client/common/failure.h"

/* Reads TEXT, which is called NAME in FAILURE; NULL, with FAILURE filled, unless it is a catalogue.
 * The signature is the caller's business. */
struct catalogue *catalogue_load_text(
    const struct buffer *text, const char *name, struct failure *failure);

/* The same for the file NAME. */
struct catalogue *catalogue_load_file(const char *name, struct failure *failure);

/* False, with FAILURE filled, when the last day of SELF's validity is over. */
bool catalogue_load_is_current(const struct catalogue *self, struct failure *failure);

/* True when NEW may follow OLD, of the same product: never an older version, and of the same one
 * only with the same files and no shorter life. False with FAILURE filled otherwise. */
bool catalogue_load_may_follow(
    const struct catalogue *old, const struct catalogue *new, struct failure *failure);

#endif
