/* `spot crl`, and the lists that commands without a configuration are told of. */
#ifndef CLIENT_CRL_COMMAND_H
#define CLIENT_CRL_COMMAND_H

#include <stdbool.h>

#include "base/buffer.h"
#include "client/common/config.h"
#include "client/common/failure.h"

/* Gets the revocation lists of CONFIG anew; what has come of it goes into OUT as JSON. */
bool crl_command_fetch(const struct config *config, struct buffer *out, struct failure *failure);

/* Makes the lists in the file CRL, of the CAs in the file CA, count for this process
 * (revocation_use()). Both are NULL, or neither is. */
bool crl_command_use(const char *crl, const char *ca, struct failure *failure);

#endif
