/* The files that TLS is made of: damage that OpenSSL would not see, and what was left out of them.
 */
#ifndef GATEWAY_TLS_FILES_H
#define GATEWAY_TLS_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/problems.h"
#include "gateway/tls/tls_verify.h"

/* A sealed memfd of the file PATH; -1, with a problem added, when it cannot be read or is damaged:
 * it holds a NUL, and is text. */
int tls_files_take(const char *path, struct problems *problems);
/* Adds a problem when any user may read or write PATH, which holds a secret. */
void tls_files_check_closed(const char *path, struct problems *problems);

/* Logs what RULES have left out of the files of CAs and lists, one warning each. */
void tls_files_warn(const struct tls_verify *rules);

#endif
