/* When this installation's own certificate ends: from then on no server lets it in, not even for
 * the update that would have brought a new one. */
#ifndef CLIENT_EXPIRY_H
#define CLIENT_EXPIRY_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <time.h>

#include "client/common/config.h"

enum { EXPIRY_WARN_DAYS = 30 };

/* Sets *END to the last second in which the certificate of CONFIG is valid; false when it, or its
 * key, cannot be read. */
bool expiry_read(const struct config *config, time_t *end);

/* Tells the user, once in a process, when CERTIFICATE, which FILE holds, ends within
 * EXPIRY_WARN_DAYS or has ended. */
void expiry_warn(const char *file, const X509 *certificate);

#endif
