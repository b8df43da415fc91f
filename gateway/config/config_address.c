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

#include "base/value.h"
#include "config_values.h"

enum { PORT_MAX = 65535, MAX_HOST = 255 };

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

const char *
config_address_look_up(const struct config_store *store, struct config_endpoints *endpoints)
{
	const char *colon = strrchr(store->name, ':');
	char host[MAX_HOST];
	uint64_t port = 0;

	assert(store->is_name && colon != NULL && (size_t)(colon - store->name) < sizeof host);
	snprintf(host, sizeof host, "%.*s", (int)(colon - store->name), store->name);
	(void)value_number(colon + 1, PORT_MAX, &port);
	return resolve(host, (uint16_t)port, endpoints);
}

static const char *
find_host(const char *host, uint16_t port, struct config_store *store)
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
		return "has neither a host name nor an address between \"http://\" and the port";
	store->is_name = true;
	return resolve(host, port, &store->endpoints);
}

static const char *
parse_http(const char *authority, struct config_store *store)
{
	const char *colon = strrchr(authority, ':');
	char host[MAX_HOST];
	struct config_store found = {.name = NULL};
	uint64_t port;
	const char *defect;

	if (strchr(authority, '@') != NULL)
		return "must not hold a user name or password";
	if (strpbrk(authority, "/?#") != NULL)
		return "must end after the port: no path, not even /";
	if (colon == NULL || !value_number(colon + 1, PORT_MAX, &port) || port == 0)
		return "must end in a port from 1 to 65535: http://HOST:PORT";
	if ((size_t)(colon - authority) >= sizeof host)
		return "has a host name that is too long";
	snprintf(host, sizeof host, "%.*s", (int)(colon - authority), authority);
	defect = find_host(host, (uint16_t)port, &found);
	if (defect != NULL)
		return defect;
	*store = found;
	store->name = join(authority, "");
	store->host = join(authority, "");
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
	*store = (struct config_store){
	    .endpoints.count = 1, .name = join("unix:", path), .host = join("localhost", "")};
	store->endpoints.all[0].len = sizeof address;
	memcpy(&store->endpoints.all[0].address, &address, sizeof address);
	free(path);
	return NULL;
}

const char *
config_address_store(const char *url, const char *folder, struct config_store *store)
{
	if (strncmp(url, "http://", 7) == 0)
		return parse_http(url + 7, store);
	if (strncmp(url, "unix:", 5) == 0)
		return parse_unix(url + 5, folder, store);
	if (strncmp(url, "https://", 8) == 0)
		return "must be http://: the gateway speaks plain HTTP to the store, over a path "
		       "that you trust (loopback, a Unix socket or a private network)";
	return "must be http://HOST:PORT or unix:PATH";
}
