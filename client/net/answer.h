/* What an answer of the server that is not a success means for the user. */
#ifndef CLIENT_ANSWER_H
#define CLIENT_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "client/common/failure.h"

/* Fills in FAILURE from the STATUS and BODY with which SERVER answered the request for PATH. When
 * the body is a problem of the gate (RFC 9457), its reason and request id are in the sentence. */
bool answer_judge(const char *server, const char *path, long status, const char *body, size_t len,
    struct failure *failure);

#endif
