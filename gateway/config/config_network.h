/*
 * Networks: as text, and what lies in them.
 */
#ifndef GATEWAY_CONFIG_NETWORK_H
#define GATEWAY_CONFIG_NETWORK_H

#include "config_types.h"

/* True when ADDRESS (AF_INET, AF_INET6, or IPv4-mapped AF_INET6) lies in one of the networks. A
 * mapped address is the IPv4 address that it holds, and in no IPv6 network, not even ::/0. */
bool config_network_contains(
    const struct config_network *networks, size_t count, const struct sockaddr *address);

/* "10.0.0.0/8", "2001:db8::/32", or one address without "/". Bits beyond the prefix must be 0.
 * Returns NULL, or a static text that says what is wrong, with NETWORK left alone. */
const char *config_network_parse(const char *text, struct config_network *network);

#endif
