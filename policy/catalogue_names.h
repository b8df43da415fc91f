/* Names in a catalogue that cannot stand side by side on every file system. */
#ifndef POLICY_CATALOGUE_NAMES_H
#define POLICY_CATALOGUE_NAMES_H

#include "catalogue.h"

/* Returns the path of a file that is there twice, whose name or whose folder's name differs from
 * another one only in the case of letters, or which lies below another file; NULL when there is
 * none. All paths are canonical. */
const char *catalogue_names_clash(const struct catalogue *catalogue);

#endif
