/*
 * A catalogue: every file of one version of one product, with size and digests.
 *
 * catalogue.json has one form, byte for byte, and is signed; catalogue.json.p7s beside it is the
 * detached CMS signature. Both stand in the folder of the version, and paths are relative to it.
 * Signatures are checked elsewhere: by the update client, and by the gateway.
 */
#ifndef CATALOGUE_CATALOGUE_H
#define CATALOGUE_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/buffer.h"
#include "catalogue_file.h"

#define CATALOGUE_NAME "catalogue.json"
#define CATALOGUE_SIGNATURE_NAME "catalogue.json.p7s"

/* What a file is called while it is downloaded; no catalogue may name it. */
#define CATALOGUE_PART_NAME ".spot.part"

enum {
	CATALOGUE_MAX_FILES = 100 * 1000,
	CATALOGUE_MAX_BYTES = 64 * 1024 * 1024,
	CATALOGUE_SIGNATURE_MAX_BYTES = 64 * 1024,
	CATALOGUE_DEFECT_MAX = 1024, /* the longest text that says what is wrong, and NUL */
};

struct catalogue {
	char *product, *version;
	char *expires; /* YYYY-MM-DD, UTC: the last day on which it is valid */
	struct catalogue_file *files;
	size_t file_count;
	bool rich; /* in the second form, which has all of the above and not only files */
};

/* What version.h says of a version, for those who have a catalogue's at hand. */
bool catalogue_is_version(const char *text);
int catalogue_compare_versions(const char *a, const char *b);

/* Reads TEXT; nothing but what catalogue_print() writes is accepted. NULL, with DEFECT a sentence's
 * end ("is not a catalogue"), when it is anything else. */
struct catalogue *catalogue_read(const struct buffer *text, char defect[CATALOGUE_DEFECT_MAX]);
void catalogue_free(struct catalogue *self);

/* Sorts the files by path and checks that no path is the folder of another, that no two differ in
 * case only, which some file systems could not hold, and that none is where a configuration file's
 * next version would be put. */
bool catalogue_settle(struct catalogue *self, char defect[CATALOGUE_DEFECT_MAX]);

void catalogue_print(const struct catalogue *self, struct buffer *out);

/* False when the last day of validity is over at NOW. */
bool catalogue_is_current(const struct catalogue *self, time_t now);

/* What is wrong with TARGET as that of the symbolic link PATH; NULL when nothing is. */
const char *catalogue_target_defect(const char *path, const char *target);

/* What is wrong with the name that PATH's next version would get, if it is configuration; NULL when
 * nothing is. */
const char *catalogue_config_defect(const char *path);

/* The entry PATH of SELF, which may be NULL; NULL when there is none. */
const struct catalogue_file *catalogue_find(const struct catalogue *self, const char *path);

/* True when both are the same but for the time of modification. */
bool catalogue_is_same(const struct catalogue_file *a, const struct catalogue_file *b);

/* What is wrong with PATH as the path of a file in a catalogue; NULL when nothing is. */
const char *catalogue_path_defect(const char *path);

#endif
