/* The listening sockets. The one hard part is port 0, for tests: the first socket picks the
 * port, the others of that address follow it. */
#include "sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "gateway/node/log.h"

enum { BACKLOG = 4096, FIRST_PASSED_FD = 3 };

struct sockets {
	const struct config *config;
	unsigned workers;
	int *fds; /* [worker][listen] */
};

static in_port_t
port_of(const struct sockaddr_storage *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (address->ss_family == AF_INET) {
		memcpy(&v4, address, sizeof v4);
		return v4.sin_port;
	}
	memcpy(&v6, address, sizeof v6);
	return v6.sin6_port;
}

static bool
is_any_v6(const struct sockaddr_storage *address)
{
	struct sockaddr_in6 v6;

	memcpy(&v6, address, sizeof v6);
	return address->ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr);
}

/* "[::]" is every address of this machine, those of IPv4 as well, unless an entry of its own has
 * the port there. */
static int
is_v6_only(const struct config *config, const struct config_listen *listen_on)
{
	if (!is_any_v6(&listen_on->address))
		return 1;
	for (size_t i = 0; i < config->listen_count; i++) {
		const struct sockaddr_storage *other = &config->listens[i].address;
		if (other->ss_family == AF_INET && port_of(other) == port_of(&listen_on->address))
			return 1;
	}
	return 0;
}

static int
bind_one(const struct config *config, const struct config_listen *listen_on,
    const struct sockaddr_storage *address)
{
	int one = 1, v6_only = is_v6_only(config, listen_on);
	int fd =
	    socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0 &&
	    (address->ss_family != AF_INET6 ||
	        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only) == 0) &&
	    bind(fd, (const struct sockaddr *)address, listen_on->address_len) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static void
print_address(const struct sockaddr_storage *address, char text[64])
{
	char ip[INET6_ADDRSTRLEN] = "?";
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (address->ss_family == AF_INET) {
		memcpy(&v4, address, sizeof v4);
		inet_ntop(AF_INET, &v4.sin_addr, ip, sizeof ip);
		(void)snprintf(text, 64, "%s:%u", ip, ntohs(v4.sin_port));
	} else {
		memcpy(&v6, address, sizeof v6);
		inet_ntop(AF_INET6, &v6.sin6_addr, ip, sizeof ip);
		(void)snprintf(text, 64, "[%s]:%u", ip, ntohs(v6.sin6_port));
	}
}

/* A socket passed in by systemd for ADDRESS (sd_listen_fds(3)), or -1. */
static int
find_passed(const struct sockaddr_storage *address, socklen_t address_len)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

	if (pid == NULL || count == NULL || strtol(pid, NULL, 10) != getpid())
		return -1;
	for (int i = 0; i < (int)strtol(count, NULL, 10); i++) {
		struct sockaddr_storage bound = {0};
		socklen_t len = sizeof bound;
		if (getsockname(FIRST_PASSED_FD + i, (struct sockaddr *)&bound, &len) == 0 &&
		    len == address_len && memcmp(&bound, address, len) == 0)
			return FIRST_PASSED_FD + i;
	}
	return -1;
}

/* With SO_REUSEPORT a second gateway on the same address would start, and take half of the clients.
 * Without it the address must be free. */
static bool
is_free(const struct config *config, const struct config_listen *listen_on)
{
	const struct sockaddr *address = (const struct sockaddr *)&listen_on->address;
	int v6_only = is_v6_only(config, listen_on);
	int one = 1, fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

	bool bound = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
	             (address->sa_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY,
	                                                    &v6_only, sizeof v6_only) == 0) &&
	             bind(fd, address, listen_on->address_len) == 0;
	int saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	return bound;
}

/* Each worker gets a descriptor of its own; systemd passes sockets in blocking mode. */
static int
take_passed(int passed)
{
	int fd = fcntl(passed, F_DUPFD_CLOEXEC, 0);
	int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);

	if (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool
open_listen(struct sockets *self, size_t index)
{
	const struct config_listen *listen_on = &self->config->listens[index];
	struct sockaddr_storage address = listen_on->address;
	int passed = find_passed(&address, listen_on->address_len);
	char text[64];

	if (passed < 0 && !is_free(self->config, listen_on)) {
		log_error("cannot listen on %s: %s", listen_on->text, strerror(errno));
		return false;
	}
	for (unsigned w = 0; w < self->workers; w++) {
		int fd =
		    passed >= 0 ? take_passed(passed) : bind_one(self->config, listen_on, &address);
		if (fd < 0) {
			log_error("cannot listen on %s: %s", listen_on->text, strerror(errno));
			return false;
		}
		self->fds[w * self->config->listen_count + index] = fd;
		socklen_t len = sizeof address;
		if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
			return false;
	}
	print_address(&address, text);
	log_info("listening on %s", text);
	return true;
}

struct sockets *
sockets_open(const struct config *config, unsigned workers)
{
	struct sockets *self = buffer_alloc(sizeof *self);
	size_t count = workers * config->listen_count;

	self->config = config;
	self->workers = workers;
	self->fds = buffer_alloc(count * sizeof *self->fds);
	for (size_t i = 0; i < count; i++)
		self->fds[i] = -1;
	for (size_t i = 0; i < config->listen_count; i++) {
		if (!open_listen(self, i)) {
			sockets_close(self);
			return NULL;
		}
	}
	return self;
}

void
sockets_keep_only(struct sockets *self, unsigned worker)
{
	for (unsigned w = 0; w < self->workers; w++) {
		for (size_t i = 0; i < self->config->listen_count; i++) {
			int *fd = &self->fds[w * self->config->listen_count + i];
			if (w == worker || *fd < 0)
				continue;
			close(*fd);
			*fd = -1;
		}
	}
}

void
sockets_close(struct sockets *self)
{
	if (self == NULL)
		return;
	sockets_keep_only(self, self->workers);
	free(self->fds);
	free(self);
}

const int *
sockets_of(const struct sockets *self, unsigned worker)
{
	return self->fds + worker * self->config->listen_count;
}
