/*
 * Versions side by side that nothing leads to any more, whole or half made.
 */
#ifndef CLIENT_FETCH_PRUNE_H
#define CLIENT_FETCH_PRUNE_H

#include "fetch_files.h"

/* Takes away all versions of ORDER's product in its folder but CURRENT and PREVIOUS: what is as
 * their catalogues have it, what was brought beside edited configuration, and configuration that
 * CURRENT has with the same content. What else is in them stays, and is told. With an outlook, what
 * would go is only counted. */
void fetch_prune_versions(
    const struct fetch_files *order, const char *current, const char *previous);

#endif
