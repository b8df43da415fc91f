/* A connection to a server of the store. The hard part is that TLS may have read what nobody has
 * asked for yet; see has_more() and is_quiet(). */
#include "store_link.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Opens a socket that does not block, and begins to connect it; -1 with errno. */
static int
connect_socket(const struct config_endpoint *endpoint, bool *connected)
{
	int family = endpoint->address.ss_family, one = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	*connected = false;
	if (fd < 0)
		return -1;
	if (family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(fd, (const struct sockaddr *)&endpoint->address, endpoint->len) == 0) {
		*connected = true;
		return fd;
	}
	if (errno == EINPROGRESS)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

enum store_link_state
store_link_open(
    struct store_link *self, const struct config_endpoint *endpoint, struct tls_client_peer *peer)
{
	bool connected;

	*self = (struct store_link){.fd = connect_socket(endpoint, &connected), .peer = peer};
	if (self->fd < 0)
		return STORE_LINK_FAILED;
	/* A socket that is connected can be written to: the handshake begins then. */
	return connected && peer == NULL ? STORE_LINK_READY : STORE_LINK_WANT_WRITE;
}

static enum store_link_state
shake_hands(struct store_link *self, const char **why)
{
	switch (tls_client_stream_handshake(self->tls)) {
	case TLS_OK:
		return STORE_LINK_READY;
	case TLS_WANT_READ:
		return STORE_LINK_WANT_READ;
	case TLS_WANT_WRITE:
		return STORE_LINK_WANT_WRITE;
	default:
		*why = tls_client_stream_defect(self->tls);
		return STORE_LINK_FAILED;
	}
}

enum store_link_state
store_link_go_on(struct store_link *self, const char **why)
{
	int error = 0;
	socklen_t len = sizeof error;

	assert(self->fd >= 0);
	if (self->tls != NULL)
		return shake_hands(self, why);
	if (getsockopt(self->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
		*why = strerror(error);
		return STORE_LINK_FAILED;
	}
	if (self->peer == NULL)
		return STORE_LINK_READY;
	self->tls = tls_client_stream_new(self->peer, self->fd);
	return shake_hands(self, why);
}

void
store_link_close(struct store_link *self)
{
	tls_client_stream_free(self->tls);
	self->tls = NULL;
	if (self->fd >= 0)
		close(self->fd);
	self->fd = -1;
}

ssize_t
store_link_receive(struct store_link *self, char *bytes, size_t n)
{
	if (self->tls != NULL)
		return tls_client_stream_receive(self->tls, bytes, n);
	return recv(self->fd, bytes, n, 0);
}

ssize_t
store_link_send(struct store_link *self, const char *bytes, size_t n)
{
	if (self->tls != NULL)
		return tls_client_stream_send(self->tls, bytes, n);
	return send(self->fd, bytes, n, MSG_NOSIGNAL);
}

bool
store_link_has_more(const struct store_link *self)
{
	return self->tls != NULL && tls_client_stream_has_more(self->tls);
}

bool
store_link_is_quiet(const struct store_link *self)
{
	char byte;

	if (self->tls != NULL && tls_client_stream_has_pending(self->tls))
		return false;
	ssize_t n = recv(self->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n < 0 && errno == EAGAIN;
}

const char *
store_link_why(const struct store_link *self, ssize_t received, int error)
{
	if (received == 0)
		return "connection closed";
	const char *defect = self->tls != NULL ? tls_client_stream_defect(self->tls) : "";
	return defect[0] != '\0' ? defect : strerror(error);
}
