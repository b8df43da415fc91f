/* The files that TLS is made of: damage that OpenSSL would not see, and what was left out of them.
 */
#ifndef GATEWAY_TLS_FILES_H
#define GATEWAY_TLS_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/problems.h"
#include "gateway/tls/tls_verify.h"

/* True, with a problem added, when the LEN bytes of PATH, which are text, hold a NUL. */
bool tls_files_have_nul(const char *path, const char *bytes, size_t len, struct problems *problems);

/* Logs what RULES have left out of the files of CAs and lists, one warning each. */
void tls_files_warn(const struct tls_verify *rules);

#endif
