/* The listening sockets. The hard parts: port 0, for tests, where the first socket picks the port
 * and the others of that address follow it; and that none may be left without somebody who accepts
 * from it, when those of a gate before this one are taken over. */
#include "sockets.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "gateway/node/log.h"

enum { BACKLOG = 4096, FIRST_PASSED_FD = 3 };

struct sockets {
	const struct config *config;
	unsigned workers;
	struct sockets_share *shares; /* of each worker */
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

static void
clear_port(struct sockaddr_storage *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (address->ss_family == AF_INET) {
		memcpy(&v4, address, sizeof v4);
		v4.sin_port = 0;
		memcpy(address, &v4, sizeof v4);
	} else {
		memcpy(&v6, address, sizeof v6);
		v6.sin6_port = 0;
		memcpy(address, &v6, sizeof v6);
	}
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

/* Whether FD listens where LISTEN_ON says; port 0 stands for any. */
static bool
is_bound_to(int fd, const struct config_listen *listen_on)
{
	struct sockaddr_storage bound = {0};
	socklen_t len = sizeof bound;

	if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0 || len != listen_on->address_len)
		return false;
	if (port_of(&listen_on->address) == 0)
		clear_port(&bound);
	return memcmp(&bound, &listen_on->address, len) == 0;
}

/* How many sockets were passed in (sd_listen_fds(3)). */
static int
count_passed(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

	if (pid == NULL || count == NULL || strtol(pid, NULL, 10) != getpid())
		return 0;
	return (int)strtol(count, NULL, 10);
}

/* The first socket passed in for LISTEN_ON, from number START on; -1 when there is none. */
static int
find_passed(const struct config_listen *listen_on, int start)
{
	for (int i = start; i < count_passed(); i++)
		if (is_bound_to(FIRST_PASSED_FD + i, listen_on))
			return FIRST_PASSED_FD + i;
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

/* Gives FD to WORKER, for the address INDEX. False when it is none. */
static bool
give(struct sockets *self, unsigned worker, size_t index, int fd)
{
	struct sockets_share *share = &self->shares[worker];

	if (fd < 0)
		return false;
	share->all = realloc(share->all, (share->count + 1) * sizeof *share->all);
	if (share->all == NULL)
		abort();
	share->all[share->count++] = (struct listener_socket){fd, index};
	return true;
}

/* Takes over the sockets of the gate before this one, which a worker had for itself each. A worker
 * too many has a new one, or shares; a socket too many goes to a worker that has one already. */
static bool
take_over(struct sockets *self, size_t index, struct sockaddr_storage *address)
{
	const struct config_listen *listen_on = &self->config->listens[index];
	int first = find_passed(listen_on, 0), passed = first, one = 0;
	socklen_t len = sizeof *address, one_len = sizeof one;
	unsigned taken = 0;

	(void)getsockname(first, (struct sockaddr *)address, &len);
	(void)getsockopt(first, SOL_SOCKET, SO_REUSEPORT, &one, &one_len);
	for (; passed >= 0; passed = find_passed(listen_on, passed - FIRST_PASSED_FD + 1))
		if (!give(self, taken++ % self->workers, index, take_passed(passed)))
			return false;
	for (; taken < self->workers; taken++) {
		int fd = one != 0 ? bind_one(self->config, listen_on, address) : -1;
		if (!give(self, taken, index, fd >= 0 ? fd : take_passed(first)))
			return false;
	}
	return true;
}

/* Each worker has a socket of its own, or all have the one that was passed in. */
static bool
open_all(struct sockets *self, size_t index, struct sockaddr_storage *address)
{
	const struct config_listen *listen_on = &self->config->listens[index];
	int passed = find_passed(listen_on, 0);

	if (passed < 0 && !is_free(self->config, listen_on))
		return false;
	for (unsigned w = 0; w < self->workers; w++) {
		int fd =
		    passed >= 0 ? take_passed(passed) : bind_one(self->config, listen_on, address);
		socklen_t len = sizeof *address;
		if (!give(self, w, index, fd) ||
		    getsockname(fd, (struct sockaddr *)address, &len) != 0)
			return false;
	}
	return true;
}

static bool
open_listen(struct sockets *self, size_t index, bool takes_over)
{
	const struct config_listen *listen_on = &self->config->listens[index];
	struct sockaddr_storage address = listen_on->address;
	char text[64];

	takes_over = takes_over && find_passed(listen_on, 0) >= 0;
	if (!(takes_over ? take_over : open_all)(self, index, &address)) {
		log_error("cannot listen on %s: %s", listen_on->text, strerror(errno));
		return false;
	}
	print_address(&address, text);
	log_info("listening on %s", text);
	return true;
}

/* A descriptor that nobody accepts from would keep clients waiting for ever. */
static void
close_passed(void)
{
	for (int i = 0; i < count_passed(); i++)
		close(FIRST_PASSED_FD + i);
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_PID");
}

struct sockets *
sockets_open(const struct config *config, unsigned workers, bool takes_over)
{
	struct sockets *self = buffer_alloc(sizeof *self);

	self->config = config;
	self->workers = workers;
	self->shares = buffer_alloc(workers * sizeof *self->shares);
	for (size_t i = 0; i < config->listen_count; i++) {
		if (!open_listen(self, i, takes_over)) {
			sockets_close(self);
			return NULL;
		}
	}
	if (takes_over)
		close_passed();
	return self;
}

void
sockets_keep_only(struct sockets *self, unsigned worker)
{
	for (unsigned w = 0; w < self->workers; w++) {
		struct sockets_share *share = &self->shares[w];
		for (size_t i = 0; w != worker && i < share->count; i++)
			close(share->all[i].fd);
		if (w != worker)
			share->count = 0;
	}
}

void
sockets_close(struct sockets *self)
{
	if (self == NULL)
		return;
	sockets_keep_only(self, self->workers);
	for (unsigned w = 0; w < self->workers; w++)
		free(self->shares[w].all);
	free(self->shares);
	free(self);
}

const struct sockets_share *
sockets_of(const struct sockets *self, unsigned worker)
{
	assert(worker < self->workers);
	return &self->shares[worker];
}

/* Whether one of the COUNT descriptors in FDS is the socket FD, perhaps by another number. */
static bool
is_among(const int *fds, size_t count, int fd)
{
	struct stat one, other;

	if (fstat(fd, &one) != 0)
		return true;
	for (size_t i = 0; i < count; i++)
		if (fstat(fds[i], &other) == 0 && other.st_ino == one.st_ino)
			return true;
	return false;
}

size_t
sockets_list(const struct sockets *self, int **fds)
{
	size_t count = 0;

	*fds = NULL;
	for (unsigned w = 0; w < self->workers; w++) {
		for (size_t i = 0; i < self->shares[w].count; i++) {
			int fd = self->shares[w].all[i].fd;
			if (is_among(*fds, count, fd))
				continue;
			*fds = realloc(*fds, (count + 1) * sizeof **fds);
			if (*fds == NULL)
				abort();
			(*fds)[count++] = fd;
		}
	}
	return count;
}
