/*
 * How a path is written in a request (RFC 3986, section 2.1): any spelling of it is read, once,
 * and one is written.
 */
#ifndef BASE_PATH_SPELLING_H
#define BASE_PATH_SPELLING_H

#include "buffer.h"
#include "path.h"

/* Room that a decoded target needs: one byte more than a path may have, to see that it is longer.
 */
enum { PATH_ROOM = PATH_MAX_BYTES + 1 };

/* Decodes the LEN bytes at TARGET, the path of a request, into PATH, which has PATH_ROOM bytes, and
 * sets PATH_LEN. What goes beyond PATH_ROOM is left out. Returns NULL, or a static text that says
 * what is wrong: a "%" without two hex digits, a raw "#", or an encoded control character, "/", "\"
 * or "%". The result is still to be judged by path_defect(). */
const char *path_spelling_decode(const char *target, size_t len, char *path, size_t *path_len);

/* Appends the one spelling of PATH: "/" and what RFC 3986, 2.3 calls unreserved stay, every other
 * byte is "%" and two upper-case hex digits, as AWS Signature Version 4 signs it. */
void path_spelling_encode(const char *path, size_t len, struct buffer *out);

#endif
