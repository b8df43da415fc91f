/*
 * A catalogue: every file of one version of one product, with size and digests.
 *
 * catalogue.json has one form, byte for byte, and is signed; catalogue.json.p7s beside it is the
 * detached CMS signature. Both stand in the folder of the version, and paths are relative to it.
 * Signatures are checked elsewhere: by the update client, and by the gateway.
 */
#ifndef POLICY_CATALOGUE_H
#define POLICY_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "buffer.h"

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

enum {
	DIGEST_SHA1_SIZE = 41,   /* hexadecimal digits and NUL */
	DIGEST_SHA256_SIZE = 65, /* the same */
};

/* What identifies a file. SHA-256 decides; SHA-1 is there for catalogues of older tools, which have
 * nothing else: sha256 is "" then. */
struct digest {
	uint64_t size;
	char sha1[DIGEST_SHA1_SIZE], sha256[DIGEST_SHA256_SIZE];
};

struct catalogue_file {
	char *path; /* canonical (policy/path.h), without the leading slash */
	struct digest digest;
};

struct catalogue {
	char *product, *version;
	char *expires; /* YYYY-MM-DD, UTC: the last day on which it is valid */
	struct catalogue_file *files;
	size_t file_count;
};

/* Decimal numbers without leading zeros, separated by dots: 10.3.1. At most 6 of 9 digits. */
bool catalogue_is_version(const char *text);

/* Below, equal to or above 0 as the version A is below, equal to or above B, number by number; a
 * number that is missing counts as 0. */
int catalogue_compare_versions(const char *a, const char *b);

/* Reads TEXT; nothing but what catalogue_print() writes is accepted. NULL, with DEFECT a sentence's
 * end ("is not a catalogue"), when it is anything else. */
struct catalogue *catalogue_read(const struct buffer *text, char defect[CATALOGUE_DEFECT_MAX]);
void catalogue_free(struct catalogue *self);

/* Sorts the files by path and checks that no path is the folder of another and that no two differ
 * in case only, which some file systems could not hold. */
bool catalogue_settle(struct catalogue *self, char defect[CATALOGUE_DEFECT_MAX]);

void catalogue_print(const struct catalogue *self, struct buffer *out);

/* False when the last day of validity is over at NOW. */
bool catalogue_is_current(const struct catalogue *self, time_t now);

/* What is wrong with PATH as the path of a file in a catalogue; NULL when nothing is. */
const char *catalogue_path_defect(const char *path);

#endif
