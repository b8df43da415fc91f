/*
 * The folders of versions that have had a good catalogue on this node, kept in state_dir across
 * restarts: one that has lost its catalogue meanwhile is not served unchecked.
 *
 * The file `good-catalogues` has one folder a line, and a last line with their count.
 */
#ifndef GATEWAY_CATALOGUE_STATE_H
#define GATEWAY_CATALOGUE_STATE_H

#include <stdbool.h>

#include "base/problems.h"
#include "catalogue/catalogue_image.h"

/* What DIR remembers, as an image in which each folder was good and is to be judged. A DIR without
 * a file remembers nothing. NULL, with a problem added, when the file cannot be read. */
struct catalogue_image *catalogue_state_read(const char *dir, struct problems *problems);

/* Makes DIR remember the folders of IMAGE that were good. On the disk when it returns true; false,
 * with a problem added, leaves what was remembered. Writes nothing when DIR remembers just them. */
bool catalogue_state_write(
    const char *dir, const struct catalogue_image *image, struct problems *problems);

#endif
