/* Files with one secret that somebody has written, such as a passphrase. */
#ifndef CLIENT_SECRET_H
#define CLIENT_SECRET_H

#include <stdbool.h>

#include "failure.h"

/* The one line of the regular file NAME, without a byte order mark before it and its end, LF or
 * CRLF. It must be ours or root's, for nobody but its owner and, to read, its group, and not empty.
 * NULL with FAILURE filled as FAILURE_CONFIGURATION otherwise; the caller gives it to
 * secret_free(). */
char *secret_read(const char *name, struct failure *failure);
void secret_free(char *secret);

#endif
