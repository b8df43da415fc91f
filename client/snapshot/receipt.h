/* What a server says when it has filed a snapshot. */
#ifndef CLIENT_RECEIPT_H
#define CLIENT_RECEIPT_H

#include <stdbool.h>

#include "base/buffer.h"
#include "client/common/failure.h"

/* True when the receipt TEXT is for LEN bytes of the digest SHA256, filed as SYSTEM's; else false,
 * with FAILURE_ANSWER. What else it may say is not looked at. */
bool receipt_check(const struct buffer *text, const char *system, const char *sha256, size_t len,
    struct failure *failure);

#endif
