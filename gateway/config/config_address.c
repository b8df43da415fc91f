/*
 * The addresses of mirrorgate.yaml.
 *
 * What is hard here is to have one reading only: the legacy IPv4 spellings ("127.1", "0x7f.1"),
 * zones, IPv4-mapped addresses and IPv6 addresses without brackets before a port are refused, so
 * that what the operator reads in the file is what the sockets do.
 */
#include "config_address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/buffer.h"
#include "base/path.h"
#include "base/value.h"
#include "config_stores.h"
#include "config_values.h"

static const char http[] = "http://", https[] = "https://";

enum { PORT_MAX = 65535, MAX_HOST = 255, BASE_MAX = 1024 /* bytes */ };

static void
set_ipv4(struct config_endpoint *endpoint, struct in_addr address, uint16_t port)
{
	struct sockaddr_in in = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = address};

	*endpoint = (struct config_endpoint){.len = sizeof in};
	memcpy(&endpoint->address, &in, sizeof in);
}

static void
set_ipv6(struct config_endpoint *endpoint, struct in6_addr address, uint16_t port)
{
	struct sockaddr_in6 in6 = {
	    .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = address};

	*endpoint = (struct config_endpoint){.len = sizeof in6};
	memcpy(&endpoint->address, &in6, sizeof in6);
}

static char *
join(const char *left, const char *right)
{
	char *joined = NULL;

	if (asprintf(&joined, "%s%s", left, right) < 0)
		abort();
	return joined;
}

/* Reads a numeric address, an IPv6 one with or without brackets. */
static bool
parse_numeric(const char *text, uint16_t port, struct config_endpoint *endpoint)
{
	char bare[INET6_ADDRSTRLEN + 1];
	struct in_addr ipv4;
	struct in6_addr ipv6;
	size_t len = strlen(text);
	bool brackets = len > 2 && text[0] == '[' && text[len - 1] == ']';

	if (inet_pton(AF_INET, text, &ipv4) == 1) {
		set_ipv4(endpoint, ipv4, port);
		return true;
	}
	if (len >= sizeof bare)
		return false;
	memcpy(bare, text + brackets, len + 1 - brackets);
	if (brackets)
		bare[len - 2] = '\0';
	if (inet_pton(AF_INET6, bare, &ipv6) != 1)
		return false;
	set_ipv6(endpoint, ipv6, port);
	return true;
}

static bool
is_mapped(const struct config_endpoint *endpoint)
{
	struct sockaddr_in6 in6;

	if (endpoint->address.ss_family != AF_INET6)
		return false;
	memcpy(&in6, &endpoint->address, sizeof in6);
	return IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr);
}

static const char mapped_defect[] = "must be written as the IPv4 address that it holds";

/* "0.0.0.0:443" or "[::]:443"; the caller frees it. */
static char *
print_endpoint(const struct config_endpoint *endpoint)
{
	char host[NI_MAXHOST], port[NI_MAXSERV], *text = NULL;
	bool ipv6 = endpoint->address.ss_family == AF_INET6;

	if (getnameinfo((const struct sockaddr *)&endpoint->address, endpoint->len, host,
	        sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		abort();
	if (asprintf(&text, ipv6 ? "[%s]:%s" : "%s:%s", host, port) < 0)
		abort();
	return text;
}

const char *
config_address_listen(const char *text, uint16_t port, struct config_listen *listen)
{
	struct config_endpoint endpoint;

	if (!parse_numeric(text, port, &endpoint))
		return "must be a numeric address such as 0.0.0.0 or [::]";
	if (is_mapped(&endpoint))
		return mapped_defect;
	listen->address = endpoint.address;
	listen->address_len = endpoint.len;
	listen->text = print_endpoint(&endpoint);
	return NULL;
}

static bool
holds(const struct config_endpoints *endpoints, const struct config_endpoint *endpoint)
{
	for (size_t i = 0; i < endpoints->count; i++)
		if (endpoints->all[i].len == endpoint->len &&
		    memcmp(&endpoints->all[i].address, &endpoint->address, endpoint->len) == 0)
			return true;
	return false;
}

bool
config_address_same(const struct config_endpoints *left, const struct config_endpoints *right)
{
	for (size_t i = 0; i < left->count; i++)
		if (!holds(right, &left->all[i]))
			return false;
	return left->count == right->count;
}

void
config_address_print(const struct config_endpoints *endpoints, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < endpoints->count && len < size; i++) {
		char *one = print_endpoint(&endpoints->all[i]);
		len += (size_t)snprintf(text + len, size - len, "%s%s", i > 0 ? ", " : "", one);
		free(one);
	}
	if (len >= size)
		memcpy(text + size - sizeof "...", "...", sizeof "...");
}

/* Takes what getaddrinfo() FOUND, and gives it the PORT. */
static void
set_found(struct config_endpoint *endpoint, const struct addrinfo *found, uint16_t port)
{
	if (found->ai_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, found->ai_addr, sizeof in);
		set_ipv4(endpoint, in.sin_addr, port);
	} else {
		struct sockaddr_in6 in6;

		assert(found->ai_family == AF_INET6);
		memcpy(&in6, found->ai_addr, sizeof in6);
		set_ipv6(endpoint, in6.sin6_addr, port);
	}
}

static const char *
resolve(const char *host, uint16_t port, struct config_endpoints *endpoints)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	int error = getaddrinfo(host, NULL, &hints, &found);

	if (error == EAI_AGAIN)
		return "names a host that cannot be resolved now: the name servers do not answer";
	if (error != 0)
		return "names a host that nobody knows";
	*endpoints = (struct config_endpoints){.count = 0};
	for (const struct addrinfo *one = found;
	     one != NULL && endpoints->count < CONFIG_ENDPOINTS_MAX; one = one->ai_next) {
		struct config_endpoint endpoint;
		set_found(&endpoint, one, port);
		if (!holds(endpoints, &endpoint))
			endpoints->all[endpoints->count++] = endpoint;
	}
	freeaddrinfo(found);
	assert(endpoints->count > 0);
	return NULL;
}

/* Cuts the first LEN bytes of TEXT, "HOST:PORT", in two; HOST has room for MAX_HOST bytes. */
static const char *
cut_authority(const char *text, size_t len, char *host, uint16_t *port)
{
	const char *colon = memrchr(text, ':', len);
	char digits[sizeof "65535"] = "";
	uint64_t value;
	size_t n = colon != NULL ? (size_t)(text + len - colon) - 1 : 0;

	if (n > 0 && n < sizeof digits)
		memcpy(digits, colon + 1, n);
	if (!value_number(digits, PORT_MAX, &value) || value == 0)
		return "must have a port from 1 to 65535 after its host: http://HOST:PORT";
	if ((size_t)(colon - text) >= MAX_HOST)
		return "has a host name that is too long";
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	*port = (uint16_t)value;
	return NULL;
}

const char *
config_address_look_up(const struct config_store *store, struct config_endpoints *endpoints)
{
	char host[MAX_HOST];
	uint16_t port = 0;

	const char *text = store->name;

	assert(store->is_name);
	if (strncmp(text, https, sizeof https - 1) == 0)
		text += sizeof https - 1;
	(void)cut_authority(text, strcspn(text, "/"), host, &port);
	return resolve(host, port, endpoints);
}

const char *
config_address_host(const char *text)
{
	static const char defect[] = "must be a host name or an address, with or without a port";
	size_t len = strcspn(text, text[0] == '[' ? "]" : ":");
	char host[MAX_HOST];
	struct config_endpoint endpoint;
	uint64_t port;

	len += text[len] == ']';
	if (len >= MAX_HOST || (text[len] != '\0' && text[len] != ':'))
		return defect;
	if (text[len] == ':' && (!value_number(text + len + 1, PORT_MAX, &port) || port == 0))
		return defect;
	memcpy(host, text, len);
	host[len] = '\0';
	if (parse_numeric(host, 0, &endpoint))
		return is_mapped(&endpoint) ? mapped_defect : NULL;
	return config_values_is_host_name(host) && !config_values_looks_like_ipv4(host) ? NULL
	                                                                                : defect;
}

/* Tells what HOST is; the endpoints of a name are still to be found. */
static const char *
judge_host(const char *host, uint16_t port, struct config_store *store)
{
	bool brackets = host[0] == '[';
	struct config_endpoint *first = &store->endpoints.all[0];

	/* Without brackets, the last colon of "::1" might as well begin a port. */
	if (!brackets && strchr(host, ':') != NULL)
		return "must have its IPv6 address in brackets: http://[::1]:8080";
	if (parse_numeric(host, port, first)) {
		store->endpoints.count = 1;
		return is_mapped(first) ? mapped_defect : NULL;
	}
	if (brackets || !config_values_is_host_name(host) || config_values_looks_like_ipv4(host))
		return "has neither a host name nor an address between \"//\" and the port";
	store->is_name = true;
	return NULL;
}

/* What goes before every path is itself one, and says so in one way only. */
static const char *
base_defect(const char *base)
{
	size_t len = strlen(base);

	if (len == 0)
		return NULL;
	if (len > BASE_MAX)
		return "has a path of more than 1024 bytes";
	if (base[len - 1] == '/')
		return "must not end in /";
	return path_defect(base, len) != NULL ? "must have a path in canonical form after its port"
	                                      : NULL;
}

static const char *
find_endpoints(const char *host, uint16_t port, const struct config *known,
    const struct config_store *store, struct config_endpoints *endpoints)
{
	const struct config_store *same = config_stores_find(known, store->name);

	if (!store->is_name)
		return NULL;
	if (same == NULL || !same->is_name)
		return resolve(host, port, endpoints);
	*endpoints = same->endpoints;
	return NULL;
}

/* HOST as a certificate has it: IPv6 without brackets. */
static char *
name_of(const char *host)
{
	bool brackets = host[0] == '[';

	return buffer_copy(host + brackets, strlen(host) - 2 * (size_t)brackets);
}

/* URL begins with a scheme of PREFIX bytes. */
static const char *
parse_http(const char *url, size_t prefix, const struct config *known, struct config_store *store)
{
	const char *text = url + prefix;
	bool is_tls = prefix == sizeof https - 1;
	size_t len = strcspn(text, "/");
	char host[MAX_HOST];
	struct config_store found = {.name = NULL};
	uint16_t port;

	if (memchr(text, '@', len) != NULL)
		return "must not hold a user name or password";
	if (strpbrk(text, "?#") != NULL)
		return "must have no query and no fragment";
	const char *defect = cut_authority(text, len, host, &port);
	if (defect == NULL)
		defect = judge_host(host, port, &found);
	if (defect == NULL)
		defect = base_defect(text + len);
	if (defect != NULL)
		return defect;
	found.name = join(is_tls ? url : text, "");
	defect = find_endpoints(host, port, known, &found, &found.endpoints);
	if (defect != NULL) {
		free(found.name);
		return defect;
	}
	*store = found;
	store->host = buffer_copy(text, len);
	store->base = join(text + len, "");
	store->tls_name = is_tls ? name_of(host) : NULL;
	return NULL;
}

static const char *
parse_unix(const char *text, const char *folder, struct config_store *store)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *defect = config_values_path_defect(text);
	char *path;
	size_t len;

	if (defect != NULL)
		return defect;
	path = config_values_path(folder, text);
	len = strlen(path);
	if (len >= sizeof address.sun_path) {
		free(path);
		return "has a path that is too long for a Unix socket (107 bytes)";
	}
	memcpy(address.sun_path, path, len + 1);
	*store = (struct config_store){.endpoints.count = 1,
	    .name = join("unix:", path),
	    .host = join("localhost", ""),
	    .base = join("", "")};
	store->endpoints.all[0].len = sizeof address;
	memcpy(&store->endpoints.all[0].address, &address, sizeof address);
	free(path);
	return NULL;
}

const char *
config_address_store(
    const char *url, const char *folder, const struct config *known, struct config_store *store)
{
	if (strncmp(url, http, sizeof http - 1) == 0)
		return parse_http(url, sizeof http - 1, known, store);
	if (strncmp(url, https, sizeof https - 1) == 0)
		return parse_http(url, sizeof https - 1, known, store);
	if (strncmp(url, "unix:", 5) == 0)
		return parse_unix(url + 5, folder, store);
	return "must be http://HOST:PORT/BASE, https://HOST:PORT/BASE or unix:PATH";
}
