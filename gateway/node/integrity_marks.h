/*
 * Artifacts whose bytes were found to be wrong a short while ago, for all workers of the node.
 *
 * A table of fixed size in shared memory, mapped before the workers are forked. A mark belongs to a
 * path and to the digest that its catalogue states, so a new catalogue with another digest is free
 * of it. Marks that share a row push out the one that ends first; then the artifact is
 * found wrong once more.
 */
#ifndef GATEWAY_INTEGRITY_MARKS_H
#define GATEWAY_INTEGRITY_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { INTEGRITY_MARKS_SECONDS = 60 }; /* how long a mark lasts */

struct integrity_marks;

struct integrity_key {
	uint64_t hash;
};

/* NULL, with errno set, when there is no memory. */
struct integrity_marks *integrity_marks_new(void);
void integrity_marks_free(struct integrity_marks *self);

/* The key of the LEN bytes of PATH with a SHA-256 of 32 bytes. */
struct integrity_key integrity_marks_key(
    const char *path, size_t len, const unsigned char sha256[32]);

/* NOW counts seconds of the monotonic clock. */
void integrity_marks_set(struct integrity_marks *self, struct integrity_key key, uint32_t now);
bool integrity_marks_has(
    const struct integrity_marks *self, struct integrity_key key, uint32_t now);

#endif
