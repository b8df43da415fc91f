/*
 * Asks another process for signatures, over a SOCK_SEQPACKET pair, for a worker that has no private
 * key. At most TLS_SIGNING_AT_ONCE requests are on their way; the others follow as answers come.
 */
#ifndef GATEWAY_TLS_ASKER_H
#define GATEWAY_TLS_ASKER_H

#include <stdbool.h>

#include "tls_signing.h"

struct tls_asker;

struct tls_asker *tls_asker_new(void);
/* When nobody waits for it. */
void tls_asker_free(struct tls_asker *self);

/* FD, which becomes its own, is where it asks from now on; -1: nowhere, until there is another. Who
 * waits is asked for again. */
void tls_asker_connect(struct tls_asker *self, int fd);

/* Takes the answers that are there, and wakes who waited. False: there is nobody at the other end
 * any more, or it makes no sense; tls_asker_connect() may mend it. */
bool tls_asker_receive(struct tls_asker *self);

/* Within a call of tls_pause.h: asks, and waits for ANSWER. False when there is none, or not the
 * signature. REQUEST's id is filled in. */
bool tls_asker_sign(
    struct tls_asker *self, struct tls_signing_request *request, struct tls_signing_answer *answer);

#endif
