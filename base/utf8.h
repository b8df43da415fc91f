/* Reading UTF-8 (RFC 3629, section 4). */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

/* Takes one character off *AT, which is before END. When the bytes there are not well-formed (also
 * overlong, a surrogate or above U+10FFFF), returns -1 and takes one byte off. */
long utf8_next(const unsigned char **at, const unsigned char *end);

#endif
