/*
 * What the catalogues of a node say, as one tinycdb file: the full path of an artifact -> size and
 * SHA-256; the folder of a version -> what became of its catalogue.
 *
 * The gateway's loader writes it, its workers map it and look paths up, at a cost that does not
 * depend on how many there are. Every value is bounds-checked when read: a damaged image is refused
 * when opened, or gives wrong answers, and never a crash.
 */
#ifndef CATALOGUE_CATALOGUE_IMAGE_H
#define CATALOGUE_CATALOGUE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { CATALOGUE_IMAGE_DIGEST = 32 }; /* bytes of a SHA-256 */

/* What became of a catalogue. */
enum catalogue_image_state {
	CATALOGUE_IMAGE_ABSENT,  /* there is none; never in an image */
	CATALOGUE_IMAGE_VALID,   /* its files have records */
	CATALOGUE_IMAGE_EXPIRED, /* its files have none, and are as those of no catalogue */
	CATALOGUE_IMAGE_REFUSED, /* not to be trusted: nothing below its folder may be served */
	CATALOGUE_IMAGE_PENDING, /* not judged yet: nothing below its folder may be served */
	CATALOGUE_IMAGE_LOST,    /* it was good, and is gone: nor here */
	CATALOGUE_IMAGE_STATES,
};

/* A folder, "/.../" with a slash at its end, and its catalogue. */
struct catalogue_image_version {
	enum catalogue_image_state state;
	unsigned char digest[CATALOGUE_IMAGE_DIGEST]; /* of the catalogue; zeros when refused */
	unsigned char origin[CATALOGUE_IMAGE_DIGEST]; /* tells apart what it was judged from */
	time_t until;  /* the first second at which it should be judged again; 0: never */
	bool was_good; /* this folder has had a valid catalogue */
};

struct catalogue_image_file {
	uint64_t size;
	unsigned char sha256[CATALOGUE_IMAGE_DIGEST];
};

struct catalogue_image_header {
	unsigned char origin[CATALOGUE_IMAGE_DIGEST]; /* tells apart what it was made from */
	time_t until; /* the first second at which it should be made again; 0: never */
	uint32_t files;
	uint32_t versions[CATALOGUE_IMAGE_STATES]; /* how many are in each state */
	uint32_t longest_required; /* bytes of a base that requires catalogues; 0: there is none */
	uint32_t longest_refused;  /* or pending or lost: bytes of a folder's name; no longer one
	                              need be  asked for */
};

/* --- writing */

struct catalogue_image_writer;

/* Writes to the empty file at FD, which stays the caller's. A failure shows at the end. */
struct catalogue_image_writer *catalogue_image_writer_new(int fd);
/* Of two records for one folder the first counts, too. */
void catalogue_image_writer_add_version(struct catalogue_image_writer *self, const char *folder,
    const struct catalogue_image_version *version);
/* Below each folder of BASE only what a valid catalogue names may be served, and the catalogue. */
void catalogue_image_writer_add_required(struct catalogue_image_writer *self, const char *base);
/* Of two records for one path the first counts. A path too long to be requested is left out. */
void catalogue_image_writer_add_file(
    struct catalogue_image_writer *self, const char *path, const struct catalogue_image_file *file);
/* Adds ORIGIN and UNTIL, ends the image and frees SELF. False, with errno set, when any part could
 * not be written. */
bool catalogue_image_writer_end(struct catalogue_image_writer *self,
    const unsigned char origin[CATALOGUE_IMAGE_DIGEST], time_t until);

/* --- reading */

struct catalogue_image;

/* Maps the image at FD, which stays the caller's. NULL, with *DEFECT a text ("is not ..."), when it
 * is not a complete image of this format. */
struct catalogue_image *catalogue_image_open(int fd, const char **defect);
void catalogue_image_free(struct catalogue_image *self);

const struct catalogue_image_header *catalogue_image_header(const struct catalogue_image *self);

/* What is known of FOLDER. */
struct catalogue_image_version catalogue_image_version(
    const struct catalogue_image *self, const char *folder);
/* Calls FN for each file, or each version, in the order in which they were added. */
typedef void catalogue_image_file_fn(
    const char *path, const struct catalogue_image_file *file, void *arg);
void catalogue_image_each_file(
    const struct catalogue_image *self, catalogue_image_file_fn *fn, void *arg);
typedef void catalogue_image_version_fn(
    const char *folder, const struct catalogue_image_version *version, void *arg);
void catalogue_image_each_version(
    const struct catalogue_image *self, catalogue_image_version_fn *fn, void *arg);

enum catalogue_image_answer {
	CATALOGUE_IMAGE_NO_RECORD,
	CATALOGUE_IMAGE_FILE,
	CATALOGUE_IMAGE_NOT_TRUSTED, /* nothing at PATH may be served */
};

/* Looks up the LEN bytes of PATH, which is canonical. FILE: fills *FILE. */
enum catalogue_image_answer catalogue_image_find(const struct catalogue_image *self,
    const char *path, size_t len, struct catalogue_image_file *file);

/* Calls FN for each folder whose catalogue is another in AFTER than in BEFORE (NULL: nothing is in
 * it), or is in one of them only. */
typedef void catalogue_image_change_fn(const char *folder, enum catalogue_image_state before,
    enum catalogue_image_state after, void *arg);
void catalogue_image_each_change(const struct catalogue_image *before,
    const struct catalogue_image *after, catalogue_image_change_fn *fn, void *arg);

#endif
