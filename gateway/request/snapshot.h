/*
 * The thin snapshot: checked completely, then written anew (design, section 5).
 *
 * Nothing of the client's text is copied. The text that goes to the store is built from the
 * parsed values only, in one canonical form:
 *   {"components":[{"name":"a","version":"1"},...],"format":"thin-snapshot/1","system":"prod-1"}
 * keys in this order, no white space, components sorted by name (byte order), one "\n" at the end.
 */
#ifndef GATEWAY_SNAPSHOT_H
#define GATEWAY_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

enum {
	SNAPSHOT_MAX_COMPONENTS = 10000,
	SNAPSHOT_MAX_BYTES = 256 * 1024,
	SNAPSHOT_DEFECT_MAX = 200,
};

struct snapshot_limits {
	size_t max_bytes; /* of the client's text */
	uint32_t max_components;
};

/* A canonical snapshot. TEXT is owned by it, LEN without the NUL that follows. */
struct snapshot {
	char *text;
	size_t len;
	uint32_t components;
	char sha256[65]; /* lower-case hex of TEXT */
};

/* Once in each process, before it is confined: the JSON library reads its seed from a file. */
void snapshot_prepare(void);

/* Reads LEN bytes of JSON; LIMITS may not exceed the constants above. Returns 0 and fills
 * SNAPSHOT, or -1 and fills DEFECT with one plain sentence that says what is wrong and where, and
 * never repeats unprintable client bytes. snapshot_fini() is harmless after either. jansson seeds
 * its hashing from /dev/urandom at first use: a process that will not be able to open it calls
 * json_object_seed(0) before. */
int snapshot_canonicalise(const char *bytes, size_t len, const struct snapshot_limits *limits,
    struct snapshot *snapshot, char defect[SNAPSHOT_DEFECT_MAX]);
void snapshot_fini(struct snapshot *snapshot);

#endif
