/*
 * An index: which versions of a product there are. Clients and mirrors go by it.
 *
 * index.json stands beside the folders of the versions, in one form, byte for byte, and is signed
 * as index.json.p7s. Its serial grows with each new one, so that a mirror notices an old index, and
 * it expires, so that it notices one that is kept from changing.
 */
#ifndef CLIENT_INDEX_H
#define CLIENT_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "client/common/failure.h"

#define INDEX_NAME "index.json"
#define INDEX_SIGNATURE_NAME "index.json.p7s"

enum {
	INDEX_MAX_VERSIONS = 10 * 1000,
	INDEX_MAX_BYTES = 1024 * 1024,
};

#define INDEX_MAX_SERIAL ((uint64_t)INT64_MAX)

struct index {
	char *product;
	uint64_t serial; /* from 1 on */
	char *expires;   /* YYYY-MM-DD, UTC: the last day on which it is valid */
	char **versions; /* at least one, ascending; no two are equal */
	size_t version_count;
};

/* Reads TEXT, which is called NAME in FAILURE; nothing but what index_print() writes is accepted.
 * The signature is the caller's business. */
struct index *index_read(const struct buffer *text, const char *name, struct failure *failure);
void index_free(struct index *self);

/* Sorts the versions; false, with FAILURE filled, when two are equal, as 10.3 and 10.3.0 are. */
bool index_settle(struct index *self, struct failure *failure);

void index_print(const struct index *self, struct buffer *out);

/* False, with FAILURE filled, when the last day of SELF's validity is over. */
bool index_is_current(const struct index *self, struct failure *failure);

/* The newest version; lives as long as SELF. */
const char *index_newest(const struct index *self);

/* What SELF, which may be NULL, says of VERSION, in a word for people and programs: `newest`,
 * `older`, `withdrawn`, or `unknown`. */
const char *index_state(const struct index *self, const char *version);

/* True when SELF names exactly VERSION. One that it does not name was withdrawn, or never was. */
bool index_has(const struct index *self, const char *version);

#endif
