/* Fields of an answer by which a download that was cut goes on. */
#ifndef CLIENT_FIELD_H
#define CLIENT_FIELD_H

#include <stdbool.h>
#include <stdint.h>

/* True for a strong entity-tag (RFC 9110, 8.8.3). Only such a one is sent back: a server refuses
 * others, and would again each time. NULL, a field that is not there, is none. */
bool field_is_strong_etag(const char *value);

/* True when the Content-Range VALUE says that exactly the bytes from OFFSET to the end of SIZE come
 * (RFC 9110, 14.4), OFFSET being less than SIZE. NULL, a field that is not there, does not. */
bool field_is_rest(const char *value, uint64_t offset, uint64_t size);

#endif
