/*
 * An entry of a catalogue.
 */
#ifndef CATALOGUE_CATALOGUE_FILE_H
#define CATALOGUE_CATALOGUE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/digest.h"

/* Where the new version of an edited configuration file is put, beside it: no catalogue may name
 * that, either. */
#define CATALOGUE_CONFIG_SUFFIX ".new"

enum catalogue_kind {
	CATALOGUE_FILE,
	CATALOGUE_LINK,   /* a symbolic link to what lies in the version, too */
	CATALOGUE_FOLDER, /* an empty one */
};

/* An entry: mostly a file. */
struct catalogue_file {
	char *path;           /* canonical (policy/path.h), without the leading slash */
	struct digest digest; /* of a file */
	enum catalogue_kind kind;
	char *target;    /* of a link, from its folder on */
	int64_t mtime;   /* of a file in the second form: seconds since 1970 */
	bool executable; /* a file that was released so */
	bool config;     /* a file that its users edit: theirs is never replaced */
};

#endif
