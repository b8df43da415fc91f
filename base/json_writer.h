/* Writing JSON text: every string is escaped, whatever bytes it holds (RFC 8259, section 7). */
#ifndef BASE_JSON_WRITER_H
#define BASE_JSON_WRITER_H

#include "buffer.h"

/* Appends LEN bytes as a quoted string. Bytes that are not UTF-8 are written as Latin-1 escapes, so
 * that the result is always valid JSON. */
void json_writer_bytes(struct buffer *out, const char *bytes, size_t len);
void json_writer_string(struct buffer *out, const char *text);

/* Appends "KEY":"TEXT", or "KEY":null when TEXT is NULL, preceded by a comma unless the last byte
 * is a bracket. */
void json_writer_member(struct buffer *out, const char *key, const char *text);
void json_writer_number(struct buffer *out, const char *key, unsigned long long number);
/* Appends the comma, when one is due, and "KEY": */
void json_writer_key(struct buffer *out, const char *key);

#endif
