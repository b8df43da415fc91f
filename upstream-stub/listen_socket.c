/*
 * Listening. The one hard part is the path of a Unix socket: a stale one of a killed stub must
 * go, one that another process listens on must stay, and so must anything that is no socket.
 */
#include "listen_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096
#define NAME_SIZE 128
#define UNIX_PREFIX "unix:"

struct listen_socket {
	int fd;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} address;
	socklen_t address_len;
	bool owns_path;
	char name[NAME_SIZE + sizeof UNIX_PREFIX];
};

static bool
parse_port(const char *text, in_port_t *port)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || n > UINT16_MAX)
		return false;
	*port = htons((uint16_t)n);
	return true;
}

static bool
parse_unix(struct listen_socket *l, const char *path)
{
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof l->address.un.sun_path)
		return false;
	l->address.un.sun_family = AF_UNIX;
	memcpy(l->address.un.sun_path, path, len + 1);
	l->address_len = sizeof l->address.un;
	return true;
}

static bool
parse_tcp(struct listen_socket *l, const char *text)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2] = "";
	in_port_t port;

	if (colon == NULL || (size_t)(colon - text) >= sizeof host || !parse_port(colon + 1, &port))
		return false;
	memcpy(host, text, (size_t)(colon - text));
	if (strcmp(host, "[::1]") == 0) {
		l->address.in6.sin6_family = AF_INET6;
		l->address.in6.sin6_addr = in6addr_loopback;
		l->address.in6.sin6_port = port;
		l->address_len = sizeof l->address.in6;
		return true;
	}
	if (inet_pton(AF_INET, host, &l->address.in.sin_addr) != 1)
		return false;
	l->address.in.sin_family = AF_INET;
	l->address.in.sin_port = port;
	l->address_len = sizeof l->address.in;
	return ntohl(l->address.in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

static bool
parse_address(struct listen_socket *l, const char *text)
{
	if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
		return parse_unix(l, text + strlen(UNIX_PREFIX));
	return parse_tcp(l, text);
}

/* Nobody answers behind the path: the socket of a process that was killed. */
static bool
is_stale(const struct listen_socket *l)
{
	struct stat st;
	bool refused;
	int fd;

	if (lstat(l->address.un.sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	refused = connect(fd, &l->address.any, l->address_len) != 0 && errno == ECONNREFUSED;
	close(fd);
	return refused;
}

static int
open_socket(struct listen_socket *l)
{
	int family = l->address.any.sa_family;
	int one = 1;

	l->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return -1;
	if (family == AF_UNIX && is_stale(l))
		unlink(l->address.un.sun_path);
	if (family != AF_UNIX && setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0)
		return -1;
	if (bind(l->fd, &l->address.any, l->address_len) != 0)
		return -1;
	l->owns_path = family == AF_UNIX;
	return listen(l->fd, BACKLOG);
}

static int
name_socket(struct listen_socket *l)
{
	char host[INET_ADDRSTRLEN];

	if (l->address.any.sa_family == AF_UNIX) {
		snprintf(l->name, sizeof l->name, UNIX_PREFIX "%s", l->address.un.sun_path);
		return 0;
	}
	if (getsockname(l->fd, &l->address.any, &l->address_len) != 0)
		return -1;
	if (l->address.any.sa_family == AF_INET6) {
		snprintf(l->name, sizeof l->name, "[::1]:%u", ntohs(l->address.in6.sin6_port));
		return 0;
	}
	inet_ntop(AF_INET, &l->address.in.sin_addr, host, sizeof host);
	snprintf(l->name, sizeof l->name, "%s:%u", host, ntohs(l->address.in.sin_port));
	return 0;
}

struct listen_socket *
listen_socket_new(const char *address)
{
	struct listen_socket *l = calloc(1, sizeof *l);

	if (l == NULL)
		abort();
	l->fd = -1;
	if (!parse_address(l, address)) {
		fprintf(stderr,
		    "upstream-stub: error: cannot listen on \"%s\": it takes 127.0.0.1:PORT, "
		    "[::1]:PORT or unix:PATH\n",
		    address);
		goto free_socket;
	}
	if (open_socket(l) != 0 || name_socket(l) != 0) {
		fprintf(stderr, "upstream-stub: error: %s while starting to listen on %s\n",
		    strerror(errno), address);
		goto free_socket;
	}
	return l;
free_socket:
	listen_socket_free(l);
	return NULL;
}

void
listen_socket_free(struct listen_socket *l)
{
	if (l == NULL)
		return;
	if (l->owns_path)
		unlink(l->address.un.sun_path);
	if (l->fd >= 0)
		close(l->fd);
	free(l);
}

int
listen_socket_fd(const struct listen_socket *l)
{
	return l->fd;
}

bool
listen_socket_is_unix(const struct listen_socket *l)
{
	return l->address.any.sa_family == AF_UNIX;
}

const char *
listen_socket_name(const struct listen_socket *l)
{
	return l->name;
}
