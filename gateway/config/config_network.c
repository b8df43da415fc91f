/*
 * Networks: who must speak PROXY.
 *
 * A peer that connects over IPv4 to an IPv6 socket shows as an IPv4-mapped address; it counts as
 * the IPv4 address that it is, and never as part of an IPv6 network.
 */
#include "config_network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/value.h"

static unsigned
address_bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

static bool
bits_are_clear(const unsigned char *address, unsigned from, unsigned to)
{
	for (unsigned bit = from; bit < to; bit++) {
		if (address[bit / 8] & (0x80 >> (bit % 8)))
			return false;
	}
	return true;
}

static bool
parse_network_address(const char *text, struct config_network *network)
{
	*network = (struct config_network){.family = AF_INET};
	if (inet_pton(AF_INET, text, network->address) == 1)
		return true;
	network->family = AF_INET6;
	return inet_pton(AF_INET6, text, network->address) == 1;
}

static bool
is_mapped_network(const struct config_network *network)
{
	struct in6_addr address;

	memcpy(&address, network->address, sizeof address);
	return network->family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address);
}

const char *
config_network_parse(const char *text, struct config_network *network)
{
	static const char syntax[] = "must be a network such as 10.0.0.0/8 or 2001:db8::/32";
	char host[INET6_ADDRSTRLEN];
	size_t len = strcspn(text, "/");
	struct config_network found;
	uint64_t bits;

	if (len >= sizeof host)
		return syntax;
	snprintf(host, sizeof host, "%.*s", (int)len, text);
	if (!parse_network_address(host, &found))
		return syntax;
	if (is_mapped_network(&found))
		return "must be written as the IPv4 network that it holds";
	bits = address_bits(found.family);
	if (text[len] == '/' && !value_number(text + len + 1, bits, &bits))
		return syntax;
	found.prefix_bits = (unsigned)bits;
	if (!bits_are_clear(found.address, found.prefix_bits, address_bits(found.family)))
		return "has bits set beyond its prefix: is the address or the prefix wrong?";
	*network = found;
	return NULL;
}

static bool
prefix_matches(const unsigned char *left, const unsigned char *right, unsigned bits)
{
	unsigned rest = bits % 8;
	unsigned char mask = (unsigned char)(0xff00 >> rest);

	if (memcmp(left, right, bits / 8) != 0)
		return false;
	return rest == 0 || ((left[bits / 8] ^ right[bits / 8]) & mask) == 0;
}

/* Returns AF_INET or AF_INET6 and points BYTES at the address; an IPv4-mapped one is IPv4. */
static int
address_bytes(const struct sockaddr *address, const unsigned char **bytes)
{
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (address->sa_family == AF_INET) {
		*bytes = (const unsigned char *)address + offsetof(struct sockaddr_in, sin_addr);
		return AF_INET;
	}
	*bytes = (const unsigned char *)address + offsetof(struct sockaddr_in6, sin6_addr);
	if (memcmp(*bytes, mapped, sizeof mapped) != 0)
		return AF_INET6;
	*bytes += sizeof mapped;
	return AF_INET;
}

bool
config_network_contains(
    const struct config_network *networks, size_t network_count, const struct sockaddr *address)
{
	const unsigned char *bytes;
	int family;

	if (address->sa_family != AF_INET && address->sa_family != AF_INET6)
		return false;
	family = address_bytes(address, &bytes);
	for (size_t i = 0; i < network_count; i++) {
		if (networks[i].family == family &&
		    prefix_matches(networks[i].address, bytes, networks[i].prefix_bits))
			return true;
	}
	return false;
}
