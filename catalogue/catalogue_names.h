/* Names in a catalogue that cannot stand side by side on every file system. */
#ifndef CATALOGUE_CATALOGUE_NAMES_H
#define CATALOGUE_CATALOGUE_NAMES_H

#include <stddef.h>

#include "catalogue_file.h"

/* Returns the path of one of the COUNT FILES that is there twice, whose name or whose folder's name
 * differs from another one only in the case of letters, which lies below another file, or which a
 * configuration file needs for its next version; NULL when there is none. All paths are canonical.
 * The caller frees it. */
char *catalogue_names_clash(const struct catalogue_file *files, size_t count);

#endif
