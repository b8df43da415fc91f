/*
 * The paths of a catalogue, whatever the case of their letters: on a file system where case does
 * not count, two spellings are one file.
 */
#ifndef CLIENT_FETCH_NAMES_H
#define CLIENT_FETCH_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "catalogue/catalogue.h"

struct fetch_names;

/* CATALOGUE (NULL: one without files) must live as long. */
struct fetch_names *fetch_names_new(const struct catalogue *catalogue);
void fetch_names_free(struct fetch_names *self);

/* The file whose path is the first LEN bytes of PATH in some spelling; NULL when there is none. */
const struct catalogue_file *fetch_names_find(
    const struct fetch_names *self, const char *path, size_t len);

/* True when a file lies below the folder that the first LEN bytes of PATH name. */
bool fetch_names_has_below(const struct fetch_names *self, const char *path, size_t len);

/* True when PATH cannot stand beside the catalogue's files: it is one of them in another spelling
 * or the same, is a folder of one, or lies in what is a file there. */
bool fetch_names_collide(const struct fetch_names *self, const char *path);

#endif
