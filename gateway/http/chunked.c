/*
 * The chunked transfer coding. The hard part is to have one reading only: where two servers could
 * see two ends of a body, there is none.
 */
#include "chunked.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"

/* A byte of the line with the size. */
static const char *
take_size(struct chunked *self, char c)
{
	int value = hex_digit(c);

	if (value >= 0) {
		if (self->digits == CHUNKED_SIZE_DIGITS)
			return "a chunk's size has too many digits";
		self->digits++;
		self->left = self->left << 4 | (unsigned)value;
		self->state = CHUNKED_SIZE;
		return NULL;
	}
	if (self->state == CHUNKED_SIZE_FIRST)
		return "a chunk's size is not a hexadecimal number";
	if (c != '\r')
		return c == ';' ? "a chunk has an extension"
		                : "a chunk's size is not a hexadecimal number";
	self->state = CHUNKED_SIZE_LF;
	return NULL;
}

/* The next state behind one byte that must be C, or NULL and what is wrong. */
static const char *
expect(struct chunked *self, char c, char expected, enum chunked_state next)
{
	if (c != expected)
		return self->state == CHUNKED_LAST_CR ? "there is a trailer behind the last chunk"
		                                      : "a chunk does not end where it says";
	self->state = next;
	return NULL;
}

/* A byte that is no content. */
static const char *
take_framing(struct chunked *self, char c)
{
	switch (self->state) {
	case CHUNKED_SIZE_FIRST:
	case CHUNKED_SIZE:
		return take_size(self, c);
	case CHUNKED_SIZE_LF:
		return expect(self, c, '\n', self->left > 0 ? CHUNKED_DATA : CHUNKED_LAST_CR);
	case CHUNKED_DATA_CR:
		return expect(self, c, '\r', CHUNKED_DATA_LF);
	case CHUNKED_DATA_LF:
		self->digits = 0;
		return expect(self, c, '\n', CHUNKED_SIZE_FIRST);
	case CHUNKED_LAST_CR:
		return expect(self, c, '\r', CHUNKED_LAST_LF);
	case CHUNKED_LAST_LF:
		return expect(self, c, '\n', CHUNKED_ENDED);
	case CHUNKED_DATA:
	case CHUNKED_ENDED:
		break;
	}
	abort(); /* the caller sees to it */
}

enum chunked_result
chunked_decode(struct chunked *self, char *bytes, size_t len, size_t *content, size_t *used)
{
	assert(self->state != CHUNKED_ENDED && self->defect == NULL);
	*content = *used = 0;
	while (*used < len && self->state != CHUNKED_ENDED) {
		if (self->state != CHUNKED_DATA) {
			self->defect = take_framing(self, bytes[(*used)++]);
			if (self->defect != NULL)
				return CHUNKED_BROKEN;
			continue;
		}
		size_t piece = len - *used;
		if (piece > self->left)
			piece = (size_t)self->left;
		memmove(bytes + *content, bytes + *used, piece);
		*content += piece;
		*used += piece;
		self->left -= piece;
		if (self->left == 0)
			self->state = CHUNKED_DATA_CR;
	}
	return self->state == CHUNKED_ENDED ? CHUNKED_END : CHUNKED_MORE;
}
