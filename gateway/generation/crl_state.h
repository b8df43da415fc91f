/*
 * The highest CRL numbers that this node has seen, of each client CA by its name and key, kept in
 * state_dir across restarts: whoever can replace the file of lists can then not bring a revoked
 * certificate back by waiting for one.
 *
 * The file `crl-numbers` has a line for each CA and a last line with their count. What a CA that is
 * no longer configured had reached stays there.
 */
#ifndef GATEWAY_CRL_STATE_H
#define GATEWAY_CRL_STATE_H

#include <stdbool.h>

#include "base/problems.h"
#include "gateway/tls/tls_crl.h"

/* Adds a problem when a list in CRL, which was read from FILE, may not follow what DIR remembers,
 * or that cannot be read. A DIR without a file remembers nothing. Writes nothing. */
void crl_state_check(
    const char *dir, const char *file, const struct tls_crl *crl, struct problems *problems);

/* Makes DIR remember the numbers in CRL, which was checked. On the disk when it returns true;
 * false, with a problem added, leaves what was remembered. Writes nothing when DIR remembers just
 * them. */
bool crl_state_write(const char *dir, const struct tls_crl *crl, struct problems *problems);

#endif
