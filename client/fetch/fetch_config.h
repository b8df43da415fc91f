/*
 * Files that a catalogue marks as configuration: one that was edited stays as it is, and what the
 * new version has is put beside it, under its name and `.new`.
 */
#ifndef CLIENT_FETCH_CONFIG_H
#define CLIENT_FETCH_CONFIG_H

#include "catalogue/catalogue.h"

/* Where the new version's content of a file goes. */
enum fetch_config_place {
	FETCH_CONFIG_IN_PLACE, /* it is no configuration, or what stands there is a version's */
	FETCH_CONFIG_BESIDE,   /* what stands there was edited, and the new one is another */
	FETCH_CONFIG_STAYS,    /* it was edited, and the release did not change it */
};

/* What OLD, the catalogue of what is below ROOT, and PENDING, the one that a cut run was putting
 * down, say of FILE of a new one. Either may be NULL. */
enum fetch_config_place fetch_config_place(int root, const struct catalogue_file *file,
    const struct catalogue *old, const struct catalogue *pending);

/* True when what stands at FILE's path below ROOT is what FILE, or OLD or PENDING, either of which
 * may be NULL, have there; WHERE is that path, or the one beside it. */
bool fetch_config_is_known(int root, const struct catalogue_file *file, const char *where,
    const struct catalogue *old, const struct catalogue *pending);

/* True when FILE is configuration that was edited: something else stands in its place. */
bool fetch_config_was_edited(int root, const struct catalogue_file *file);

#endif
