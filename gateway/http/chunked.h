/*
 * The chunked transfer coding of a store's answer (RFC 9112, 7.1), decoded where it lies.
 *
 * Stricter than the RFC: a size is one to fifteen hexadecimal digits and nothing else, so no sign,
 * no white space, no "0x" and nothing that overflows; there are no chunk extensions and no
 * trailers; each line ends in CR LF. Whatever else may be read in two ways is refused.
 */
#ifndef GATEWAY_CHUNKED_H
#define GATEWAY_CHUNKED_H

#include <stddef.h>

enum { CHUNKED_SIZE_DIGITS = 15 };

enum chunked_state {
	CHUNKED_SIZE_FIRST, /* the size has no digit yet */
	CHUNKED_SIZE,
	CHUNKED_SIZE_LF,
	CHUNKED_DATA,
	CHUNKED_DATA_CR,
	CHUNKED_DATA_LF,
	CHUNKED_LAST_CR,
	CHUNKED_LAST_LF,
	CHUNKED_ENDED,
};

/* Zero it for each body. */
struct chunked {
	enum chunked_state state;
	unsigned digits;
	unsigned long long left; /* bytes of this chunk */
	const char *defect;      /* static text, after CHUNKED_BROKEN */
};

enum chunked_result { CHUNKED_MORE, CHUNKED_END, CHUNKED_BROKEN };

/* Decodes the LEN bytes that follow those of the last call. What is content moves to the start of
 * BYTES, *CONTENT bytes of it. *USED is LEN, or less when the body ended before. After END or
 * BROKEN it must not be called again. */
enum chunked_result chunked_decode(
    struct chunked *self, char *bytes, size_t len, size_t *content, size_t *used);

#endif
