/*
 * The revocation lists of the configuration, kept new from the servers.
 *
 * Nothing depends on which server gives a list, which may be the very one that is revoked: it is
 * taken only when the CA signed it, it can be relied on now, and its number is not lower than that
 * of the one before. A server that gives none, or an old one, can do no more than leave that one.
 */
#ifndef CLIENT_CRL_RENEWAL_H
#define CLIENT_CRL_RENEWAL_H

#include <stdbool.h>
#include <time.h>

#include "client/common/config.h"
#include "client/common/failure.h"

/* Makes the lists of CONFIG, when it names a file of them, count for this process
 * (revocation_use()). When they were asked for longer ago than `crl_max_age`, run out sooner than
 * that, or are not there, the servers are asked first; that they give none is a warning. False,
 * with FAILURE filled, when there are then no lists that can be relied on. When CONFIG only looks,
 * newer lists count for the process alone. */
bool crl_renewal_prepare(const struct config *config, struct failure *failure);

struct crl_renewal {
	bool changed;   /* other lists came than were there */
	time_t expires; /* when the first of them runs out */
};

/* Asks the servers now. False, with FAILURE filled and what is there left alone, when they give
 * nothing that may follow it, or that cannot be written. */
bool crl_renewal_fetch(
    const struct config *config, struct crl_renewal *result, struct failure *failure);

#endif
