/*
 * Detached CMS signatures (RFC 5652) by one certificate that is known beforehand.
 *
 * There is no chain: whoever holds the pinned certificate's key may sign, nobody else, whatever
 * certificates a signature brings along.
 */
#ifndef CLIENT_SIGNATURE_H
#define CLIENT_SIGNATURE_H

#include <stdbool.h>

#include "../policy/buffer.h"
#include "failure.h"

/* Signs CONTENT with the PEM files CERTIFICATE and KEY; the DER goes into SIGNATURE, which is
 * empty. */
bool signature_make(const struct buffer *content, const char *certificate, const char *key,
    struct buffer *signature, struct failure *failure);

/* True when SIGNATURE is one over CONTENT, with SHA-256 or better, by the certificate in the PEM
 * file SIGNER, which has not expired; NAME is what FAILURE calls the content. */
bool signature_verify(const struct buffer *content, const struct buffer *signature,
    const char *signer, const char *name, struct failure *failure);

#endif
