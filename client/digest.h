/* The size, SHA-1 and SHA-256 of one file, computed together while its bytes pass by. */
#ifndef CLIENT_DIGEST_H
#define CLIENT_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "../policy/catalogue.h"

enum { DIGEST_BASE64_SIZE = 45 }; /* a SHA-256 in Base64, padded, and NUL */

struct digest_run;

struct digest_run *digest_run_new(void);
void digest_run_add(struct digest_run *self, const void *bytes, size_t len);

/* Ends the run, which must not be used again but to be freed. */
void digest_run_finish(struct digest_run *self, struct digest *digest);
void digest_run_free(struct digest_run *self);

/* Reads FD from where it is to its end; false, with errno set, when it cannot be read. */
bool digest_of_file(int fd, struct digest *digest);

/* True when ACTUAL, which was computed, is what WANTED says: the size, SHA-256 and SHA-1; a WANTED
 * of SHA-1 alone is content with that. */
bool digest_is(const struct digest *actual, const struct digest *wanted);

/* The Base64 of the SHA-256 that is given in hexadecimal digits. */
void digest_base64(const char *sha256, char text[DIGEST_BASE64_SIZE]);

#endif
