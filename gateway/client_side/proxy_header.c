/* PROXY v1 and v2. The hard part is to read version 1 as strictly as it is written: exactly one
 * space between its words, canonical numbers, CR LF at the end; and of version 2 the fields behind
 * the addresses, of which one is a checksum of them all. */
#include "proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { V1_MAX = 107, V2_HEAD = 16, V2_V4 = 12, V2_V6 = 36 };
enum { TLV_HEAD = 3, TLV_CRC32C = 0x03, CRC32C_LEN = 4 };

static const char v2_signature[12] = {
    '\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

static void
set_v4(struct sockaddr_storage *client, const void *address, uint16_t port_be)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = port_be};

	memcpy(&v4.sin_addr, address, sizeof v4.sin_addr);
	memset(client, 0, sizeof *client);
	memcpy(client, &v4, sizeof v4);
}

static void
set_v6(struct sockaddr_storage *client, const void *address, uint16_t port_be)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = port_be};

	memcpy(&v6.sin6_addr, address, sizeof v6.sin6_addr);
	memset(client, 0, sizeof *client);
	memcpy(client, &v6, sizeof v6);
}

static bool
read_port(const char *text, uint16_t *port)
{
	unsigned value = 0;

	if (*text == '\0' || strlen(text) > 5 || (text[0] == '0' && text[1] != '\0'))
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (unsigned)(*text - '0');
	}
	*port = (uint16_t)value;
	return value <= UINT16_MAX;
}

/* Cuts the next word, which one space or the end of LINE follows. NULL when there is none. */
static char *
next_word(char **line)
{
	char *word = *line;

	if (word == NULL || *word == '\0')
		return NULL;
	char *space = strchr(word, ' ');
	if (space != NULL)
		*space = '\0';
	*line = space != NULL ? space + 1 : NULL;
	return *word != '\0' ? word : NULL;
}

/* "TCP4 SRC DST SPORT DPORT", "TCP6 ..." or "UNKNOWN ...", without the leading "PROXY ". */
static bool
read_v1_words(char *line, struct sockaddr_storage *client)
{
	unsigned char source[16], destination[16];
	uint16_t source_port, destination_port;
	char *rest = line, *family = next_word(&rest);

	if (family == NULL)
		return false;
	if (strcmp(family, "UNKNOWN") == 0)
		return true;
	bool v6 = strcmp(family, "TCP6") == 0;
	if (!v6 && strcmp(family, "TCP4") != 0)
		return false;
	char *words[4];
	for (int i = 0; i < 4; i++)
		if ((words[i] = next_word(&rest)) == NULL)
			return false;
	int af = v6 ? AF_INET6 : AF_INET;
	if (rest != NULL || inet_pton(af, words[0], source) != 1 ||
	    inet_pton(af, words[1], destination) != 1 || !read_port(words[2], &source_port) ||
	    !read_port(words[3], &destination_port))
		return false;
	if (v6)
		set_v6(client, source, htons(source_port));
	else
		set_v4(client, source, htons(source_port));
	return true;
}

static enum proxy_header_result
read_v1(const char *bytes, size_t len, size_t *used, struct sockaddr_storage *client)
{
	char line[V1_MAX + 1];
	size_t searched = len < V1_MAX ? len : V1_MAX;
	const char *end = memchr(bytes, '\n', searched);

	if (end == NULL)
		return len >= V1_MAX ? PROXY_HEADER_REFUSED : PROXY_HEADER_INCOMPLETE;
	size_t line_len = (size_t)(end - bytes);
	if (line_len < 7 || bytes[line_len - 1] != '\r' || memchr(bytes, '\0', line_len) != NULL)
		return PROXY_HEADER_REFUSED;
	memcpy(line, bytes, line_len - 1);
	line[line_len - 1] = '\0';
	*used = line_len + 1;
	return read_v1_words(line + 6, client) ? PROXY_HEADER_COMPLETE : PROXY_HEADER_REFUSED;
}

/* CRC32c (RFC 4960, appendix B), bit by bit: a header has at most 2,048 bytes and comes once. */
static uint32_t
crc32c(uint32_t crc, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		crc ^= (unsigned char)bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return crc;
}

/* Whether the four bytes at CHECKSUM are that of the header of LEN bytes with zeros in their place.
 */
static bool
checksum_is_right(const char *header, size_t len, const char *checksum)
{
	static const char zeros[CRC32C_LEN];
	size_t before = (size_t)(checksum - header);
	uint32_t sum = crc32c(UINT32_MAX, header, before), told;

	sum = crc32c(sum, zeros, sizeof zeros);
	sum = ~crc32c(sum, checksum + CRC32C_LEN, len - before - CRC32C_LEN);
	memcpy(&told, checksum, sizeof told);
	return ntohl(told) == sum;
}

/* The fields from AT to the end of the header: whole ones, and each checksum right. What else they
 * tell is not for us. */
static bool
fields_are_right(const char *header, size_t len, size_t at)
{
	while (at < len) {
		if (len - at < TLV_HEAD)
			return false;
		size_t value =
		    (size_t)(unsigned char)header[at + 1] << 8 | (unsigned char)header[at + 2];
		unsigned char type = (unsigned char)header[at];

		at += TLV_HEAD;
		if (value > len - at)
			return false;
		if (type == TLV_CRC32C &&
		    (value != CRC32C_LEN || !checksum_is_right(header, len, header + at)))
			return false;
		at += value;
	}
	return true;
}

/* The length of the addresses of FAMILY (TCP over IPv4 or IPv6); 0 for every other. */
static size_t
addresses_len(unsigned char family)
{
	return family == 0x11 ? V2_V4 : family == 0x21 ? V2_V6 : 0;
}

static void
set_client(const char *addresses, bool v6, struct sockaddr_storage *client)
{
	uint16_t port;

	memcpy(&port, addresses + (v6 ? 32 : 8), sizeof port);
	if (v6)
		set_v6(client, addresses, port);
	else
		set_v4(client, addresses, port);
}

static enum proxy_header_result
read_v2(const char *bytes, size_t len, size_t *used, struct sockaddr_storage *client)
{
	if (len < V2_HEAD)
		return PROXY_HEADER_INCOMPLETE;
	unsigned char version_command = (unsigned char)bytes[12], family = (unsigned char)bytes[13];
	size_t whole = V2_HEAD + ((size_t)(unsigned char)bytes[14] << 8 | (unsigned char)bytes[15]);
	size_t addresses = addresses_len(family);

	if (whole > PROXY_HEADER_MAX || (version_command & 0xf0) != 0x20)
		return PROXY_HEADER_REFUSED;
	if (len < whole)
		return PROXY_HEADER_INCOMPLETE;
	*used = whole;
	bool local = (version_command & 0x0f) == 0; /* the balancer's own check */
	if (local && (addresses == 0 || whole < V2_HEAD + addresses))
		return PROXY_HEADER_COMPLETE;
	if ((!local && (version_command & 0x0f) != 1) || addresses == 0 ||
	    whole < V2_HEAD + addresses || !fields_are_right(bytes, whole, V2_HEAD + addresses))
		return PROXY_HEADER_REFUSED;
	if (!local)
		set_client(bytes + V2_HEAD, family == 0x21, client);
	return PROXY_HEADER_COMPLETE;
}

enum proxy_header_result
proxy_header_read(const char *bytes, size_t len, size_t *used, struct sockaddr_storage *client)
{
	static const char v1_prefix[6] = {'P', 'R', 'O', 'X', 'Y', ' '};
	size_t v1 = len < sizeof v1_prefix ? len : sizeof v1_prefix;
	size_t v2 = len < sizeof v2_signature ? len : sizeof v2_signature;

	if (len == 0)
		return PROXY_HEADER_INCOMPLETE;
	if (memcmp(bytes, v1_prefix, v1) == 0)
		return v1 < sizeof v1_prefix ? PROXY_HEADER_INCOMPLETE
		                             : read_v1(bytes, len, used, client);
	if (memcmp(bytes, v2_signature, v2) == 0)
		return v2 < sizeof v2_signature ? PROXY_HEADER_INCOMPLETE
		                                : read_v2(bytes, len, used, client);
	return PROXY_HEADER_REFUSED;
}
