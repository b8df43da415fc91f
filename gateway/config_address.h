/*
 * The addresses of mirrorgate.yaml: where to listen and where the store is.
 *
 * Each function returns NULL, or a static text that says what is wrong ("must be ..."), with the
 * result left alone. All abort when memory is exhausted.
 */
#ifndef GATEWAY_CONFIG_ADDRESS_H
#define GATEWAY_CONFIG_ADDRESS_H

#include <stdint.h>

#include "config.h"

/* "0.0.0.0", "[::]" or "::", without a zone. Fills address, address_len and text. */
const char *config_address_listen(const char *text, uint16_t port, struct config_listen *listen);

/* "http://HOST:PORT" or "unix:PATH"; PATH is taken from FOLDER when relative. A HOST that is a
 * name is resolved now, which may block, and its first address is taken. Fills all of STORE. */
const char *config_address_store(const char *url, const char *folder, struct config_store *store);

#endif
