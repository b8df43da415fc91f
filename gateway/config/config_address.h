/*
 * The addresses of mirrorgate.yaml: where to listen and where the store is.
 *
 * Each function returns NULL, or a static text that says what is wrong ("must be ..."), with the
 * result left alone. All abort when memory is exhausted.
 */
#ifndef GATEWAY_CONFIG_ADDRESS_H
#define GATEWAY_CONFIG_ADDRESS_H

#include <stdint.h>

#include "config_types.h"

/* "0.0.0.0", "[::]" or "::", without a zone. Fills address, address_len and text. */
const char *config_address_listen(const char *text, uint16_t port, struct config_listen *listen);

/* "http://HOST:PORT", "http://HOST:PORT/BASE", the same with https, or "unix:PATH"; PATH is taken
 * from FOLDER when relative. A HOST that is a name is where it is in KNOWN (NULL: none), or else
 * resolved now, which may block; of more than CONFIG_ENDPOINTS_MAX addresses the first are taken.
 * Fills all of STORE.
 */
const char *config_address_store(
    const char *url, const char *folder, const struct config *known, struct config_store *store);

/* A Host field: a host name or an address, IPv6 in brackets, with or without a port. */
const char *config_address_host(const char *text);

/* Resolves the name of STORE, which is_name, again; may block. */
const char *config_address_look_up(
    const struct config_store *store, struct config_endpoints *endpoints);

/* True when both hold the same addresses, in whatever order: name servers change that freely. */
bool config_address_same(const struct config_endpoints *left, const struct config_endpoints *right);

/* "192.0.2.7:8080, [2001:db8::7]:8080", shortened with "..." when it does not fit. */
void config_address_print(const struct config_endpoints *endpoints, char *text, size_t size);

#endif
