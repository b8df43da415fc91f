/*
 * Marks in shared memory. The hard part is that workers read and write at the same time: a mark is
 * one word, so that there is no half of one, and who loses a race only loses a mark.
 */
#include "integrity_marks.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buffer.h"
#include "crypto/digest.h"

enum { ROWS = 512, PLACES = 8 };

/* The upper half is part of the key, the lower one the second at which the mark ends. 0: none. */
struct integrity_marks {
	_Atomic uint64_t places[ROWS][PLACES];
};

struct integrity_marks *
integrity_marks_new(void)
{
	struct integrity_marks *self =
	    mmap(NULL, sizeof *self, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (self == MAP_FAILED)
		return NULL;
	return self;
}

void
integrity_marks_free(struct integrity_marks *self)
{
	if (self != NULL)
		munmap(self, sizeof *self);
}

struct integrity_key
integrity_marks_key(const char *path, size_t len, const unsigned char sha256[32])
{
	struct digest_stream *stream = digest_stream_new();
	unsigned char digest[DIGEST_SHA256_BYTES];
	struct integrity_key key;

	digest_stream_add(stream, sha256, 32);
	digest_stream_add(stream, path, len);
	digest_stream_end(stream, digest);
	digest_stream_free(stream);
	memcpy(&key.hash, digest, sizeof key.hash);
	return key;
}

static size_t
row_of(struct integrity_key key)
{
	return key.hash % ROWS;
}

static uint32_t
upper(uint64_t word)
{
	return (uint32_t)(word >> 32);
}

static uint32_t
lower(uint64_t word)
{
	return (uint32_t)word;
}

void
integrity_marks_set(struct integrity_marks *self, struct integrity_key key, uint32_t now)
{
	_Atomic uint64_t *places = self->places[row_of(key)], *chosen = &places[0];

	for (size_t i = 0; i < PLACES; i++) {
		uint64_t word = atomic_load(&places[i]);
		if (word != 0 && upper(word) == upper(key.hash)) {
			chosen = &places[i];
			break;
		}
		if (lower(word) < lower(atomic_load(chosen)))
			chosen = &places[i];
	}
	uint64_t end = (uint64_t)now + INTEGRITY_MARKS_SECONDS;
	atomic_store(chosen, (uint64_t)upper(key.hash) << 32 | (uint32_t)end);
}

bool
integrity_marks_has(const struct integrity_marks *self, struct integrity_key key, uint32_t now)
{
	const _Atomic uint64_t *places = self->places[row_of(key)];

	for (size_t i = 0; i < PLACES; i++) {
		uint64_t word = atomic_load(&places[i]);
		if (upper(word) == upper(key.hash) && lower(word) > now)
			return true;
	}
	return false;
}
