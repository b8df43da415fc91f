/*
 * A generation's key for the signatures of the access log.
 */
#ifndef GATEWAY_GENERATION_AUDIT_KEY_H
#define GATEWAY_GENERATION_AUDIT_KEY_H

#include <stdbool.h>

#include "base/problems.h"
#include "crypto/line_signer.h"
#include "gateway/config/config.h"
#include "generation.h"

/* A sealed memfd of the file of `log.audit_key`, checked. -1 when the configuration names none, or,
 * with a problem added, when it cannot be used: also when any user may read it. */
int generation_audit_key_take(const struct config *config, struct problems *problems);

/* Sets *SIGNER to who signs, the caller's; NULL when nobody does. False with ERROR filled. */
bool generation_audit_key_open(
    const struct generation *self, struct line_signer **signer, char error[LINE_SIGNER_ERROR_MAX]);

#endif
