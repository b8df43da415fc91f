/* Which files of a catalogue are configuration: the vendor says so by patterns. */
#ifndef CLIENT_CATALOGUE_CONFIG_H
#define CLIENT_CATALOGUE_CONFIG_H

#include "catalogue/catalogue.h"
#include "client/common/failure.h"

/* True when PATH is what PATTERN says: `*`, `?` and `[...]` stand for characters within one segment
 * (fnmatch(3)), and a last segment `**` for all below the folders before it. */
bool catalogue_config_matches(const char *pattern, const char *path);

/* Marks the files of CATALOGUE that one of the COUNT patterns has, and settles it anew. False, with
 * FAILURE naming it, when a pattern has no file, or a file's next version could not stand beside
 * it. */
bool catalogue_config_mark(struct catalogue *catalogue, const char *const *patterns, size_t count,
    struct failure *failure);

#endif
