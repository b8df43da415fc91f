/*
 * Networks as text. config_network_contains() is declared in config.h.
 */
#ifndef GATEWAY_CONFIG_NETWORK_H
#define GATEWAY_CONFIG_NETWORK_H

#include "config.h"

/* "10.0.0.0/8", "2001:db8::/32", or one address without "/". Bits beyond the prefix must be 0.
 * Returns NULL, or a static text that says what is wrong, with NETWORK left alone. */
const char *config_network_parse(const char *text, struct config_network *network);

#endif
