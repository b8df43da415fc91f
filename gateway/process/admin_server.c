/*
 * The administrator's socket. The hard part is the file: one left over by a gate that was killed
 * must not keep the next from starting, and one that is in use must not be taken away.
 */
#include "admin_server.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json_writer.h"
#include "gateway/node/log.h"

enum { BACKLOG = 16 };

enum peer_state { PEER_FREE, PEER_ASKS, PEER_WAITS, PEER_ANSWERED };

struct peer {
	struct admin_server *server;
	enum peer_state state;
	ev_io io;
	ev_timer timer;
	struct buffer in, out;
};

struct admin_server {
	struct ev_loop *loop;
	const struct admin_server_events *events;
	void *arg;
	char *path;
	int fd;
	dev_t device; /* of the file, so that no other's is removed */
	ino_t inode;
	ev_io io;
	unsigned peer_count;
	struct peer peers[ADMIN_PEERS];
};

/* ---- the file ---- */

static struct sockaddr_un
address_of(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	assert(strlen(path) < sizeof address.sun_path); /* the configuration was checked */
	memcpy(address.sun_path, path, strlen(path) + 1);
	return address;
}

static int
new_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Binds FD so that the file never had another mode than 0600. */
static bool
bind_privately(int fd, const struct sockaddr_un *address)
{
	mode_t before = umask(0177);
	int result = bind(fd, (const struct sockaddr *)address, sizeof *address);
	int error = errno;

	umask(before);
	errno = error;
	return result == 0;
}

/* Why the file at PATH may not be replaced; NULL: nobody listens there. */
static const char *
why_in_the_way(const char *path, const struct sockaddr_un *address)
{
	struct stat status;

	if (lstat(path, &status) != 0)
		return errno == ENOENT ? NULL : strerror(errno);
	if (!S_ISSOCK(status.st_mode))
		return "something else than a socket is there: remove it, or choose another path";
	int fd = new_socket();
	if (fd < 0)
		return strerror(errno);
	int result = connect(fd, (const struct sockaddr *)address, sizeof *address);
	int error = errno;
	close(fd);
	if (result == 0 || error == EAGAIN)
		return "another gate listens there: stop it, or choose another path";
	return error == ECONNREFUSED ? NULL : strerror(error);
}

/* A socket that listens at PATH; -1 with *WHY filled. */
static int
listen_at(const char *path, const char **why)
{
	const struct sockaddr_un address = address_of(path);
	int fd = new_socket();

	*why = NULL;
	bool bound = fd >= 0 && bind_privately(fd, &address);
	if (!bound && fd >= 0 && errno == EADDRINUSE) {
		*why = why_in_the_way(path, &address);
		bound = *why == NULL && (unlink(path) == 0 || errno == ENOENT) &&
		        bind_privately(fd, &address);
	}
	if (bound && listen(fd, BACKLOG) == 0)
		return fd;
	if (*why == NULL)
		*why = strerror(errno);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* ---- peers ---- */

static void
watch_for_peers(struct admin_server *self)
{
	if (self->fd >= 0 && self->peer_count < ADMIN_PEERS)
		ev_io_start(self->loop, &self->io);
	else
		ev_io_stop(self->loop, &self->io);
}

static void
end_peer(struct peer *peer)
{
	struct admin_server *self = peer->server;
	bool waited = peer->state == PEER_WAITS;

	assert(peer->state != PEER_FREE);
	ev_io_stop(self->loop, &peer->io);
	ev_timer_stop(self->loop, &peer->timer);
	close(peer->io.fd);
	buffer_fini(&peer->in);
	buffer_fini(&peer->out);
	peer->state = PEER_FREE;
	self->peer_count--;
	watch_for_peers(self);
	if (waited)
		self->events->on_gone(self->arg, (unsigned)(peer - self->peers));
}

static void
set_timer(struct peer *peer, ev_tstamp seconds)
{
	peer->timer.repeat = seconds;
	ev_timer_again(peer->server->loop, &peer->timer);
}

/* Sends what the socket takes, and ends when that is all. */
static void
send_answer(struct peer *peer)
{
	ssize_t n = send(peer->io.fd, buffer_bytes(&peer->out), buffer_size(&peer->out),
	    MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0)
		buffer_consume(&peer->out, (size_t)n);
	if (n < 0 || buffer_size(&peer->out) == 0)
		end_peer(peer);
}

void
admin_server_answer(struct admin_server *self, unsigned peer, struct buffer *answer)
{
	struct peer *to = &self->peers[peer];

	assert(peer < ADMIN_PEERS && to->state == PEER_WAITS);
	to->state = PEER_ANSWERED;
	buffer_append(&to->out, buffer_bytes(answer), buffer_size(answer));
	buffer_puts(&to->out, "\n");
	ev_io_stop(self->loop, &to->io);
	ev_io_set(&to->io, to->io.fd, EV_WRITE);
	ev_io_start(self->loop, &to->io);
	set_timer(to, ADMIN_REQUEST_TIME);
	send_answer(to);
}

void
admin_server_refuse(struct admin_server *self, unsigned peer, const char *text)
{
	struct buffer answer = {0};

	buffer_puts(&answer, "{");
	json_writer_member(&answer, "error", text);
	buffer_puts(&answer, "}");
	admin_server_answer(self, peer, &answer);
	buffer_fini(&answer);
}

/* The request is complete, or cannot become one. */
static void
take_request(struct peer *peer, bool is_line)
{
	struct admin_server *self = peer->server;
	unsigned number = (unsigned)(peer - self->peers);

	peer->state = PEER_WAITS;
	set_timer(peer, self->events->patience);
	if (is_line)
		self->events->on_request(self->arg, number, buffer_bytes(&peer->in));
	else
		admin_server_refuse(self, number, "not one line of text of at most 4096 bytes");
}

static void
receive_request(struct peer *peer)
{
	size_t room = ADMIN_REQUEST_MAX - buffer_size(&peer->in);
	ssize_t n = recv(peer->io.fd, buffer_reserve(&peer->in, room), room, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	/* Who waits has nothing to say: this is the end, or more than one request. */
	if (n <= 0 || peer->state == PEER_WAITS) {
		end_peer(peer);
		return;
	}
	buffer_commit(&peer->in, (size_t)n);
	char *bytes = buffer_bytes(&peer->in);
	size_t size = buffer_size(&peer->in);
	char *end = memchr(bytes, '\n', size);
	bool is_line = end == bytes + size - 1 && memchr(bytes, '\0', size) == NULL;
	if (end != NULL)
		*end = '\0';
	if (end != NULL || size == ADMIN_REQUEST_MAX)
		take_request(peer, is_line);
}

static void
on_peer(struct ev_loop *loop, ev_io *io, int events)
{
	struct peer *peer = io->data;

	(void)loop, (void)events;
	if (peer->state == PEER_ANSWERED)
		send_answer(peer);
	else
		receive_request(peer);
}

static void
on_peer_too_late(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	end_peer(timer->data);
}

static bool
may_ask(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof peer;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static struct peer *
free_peer(struct admin_server *self)
{
	for (unsigned i = 0; i < ADMIN_PEERS; i++)
		if (self->peers[i].state == PEER_FREE)
			return &self->peers[i];
	return NULL;
}

static void
on_connection(struct ev_loop *loop, ev_io *io, int events)
{
	struct admin_server *self = io->data;
	int fd = accept4(self->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	if (!may_ask(fd)) {
		log_warning("admin_socket: somebody who is neither root nor the gate's own user "
		            "asked, and was refused");
		close(fd);
		return;
	}
	struct peer *peer = free_peer(self);
	assert(peer != NULL);
	self->peer_count++;
	peer->state = PEER_ASKS;
	ev_io_set(&peer->io, fd, EV_READ);
	ev_io_start(loop, &peer->io);
	set_timer(peer, ADMIN_REQUEST_TIME);
	watch_for_peers(self);
}

/* ---- life ---- */

struct admin_server *
admin_server_new(
    struct ev_loop *loop, const char *path, const struct admin_server_events *events, void *arg)
{
	struct stat status;
	const char *why;
	int fd = listen_at(path, &why);

	if (fd < 0 || lstat(path, &status) != 0) {
		log_error("admin_socket %s: %s", path, fd < 0 ? why : strerror(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	struct admin_server *self = buffer_alloc(sizeof *self);
	*self = (struct admin_server){.loop = loop,
	    .events = events,
	    .arg = arg,
	    .path = buffer_strdup(path),
	    .fd = fd,
	    .device = status.st_dev,
	    .inode = status.st_ino};
	for (unsigned i = 0; i < ADMIN_PEERS; i++) {
		struct peer *peer = &self->peers[i];
		peer->server = self;
		ev_init(&peer->io, on_peer);
		ev_init(&peer->timer, on_peer_too_late);
		peer->io.data = peer->timer.data = peer;
	}
	ev_io_init(&self->io, on_connection, fd, EV_READ);
	self->io.data = self;
	ev_io_start(loop, &self->io);
	return self;
}

void
admin_server_forget(struct admin_server *self)
{
	if (self == NULL)
		return;
	if (self->fd >= 0)
		close(self->fd);
	for (unsigned i = 0; i < ADMIN_PEERS; i++)
		if (self->peers[i].state != PEER_FREE)
			close(self->peers[i].io.fd);
}

void
admin_server_close(struct admin_server *self)
{
	struct stat status;

	if (self->fd < 0)
		return;
	for (unsigned i = 0; i < ADMIN_PEERS; i++)
		if (self->peers[i].state == PEER_ASKS)
			end_peer(&self->peers[i]);
	ev_io_stop(self->loop, &self->io);
	close(self->fd);
	self->fd = -1;
	if (lstat(self->path, &status) == 0 && status.st_dev == self->device &&
	    status.st_ino == self->inode)
		(void)unlink(self->path);
}

void
admin_server_free(struct admin_server *self)
{
	if (self == NULL)
		return;
	admin_server_close(self);
	for (unsigned i = 0; i < ADMIN_PEERS; i++)
		if (self->peers[i].state != PEER_FREE)
			end_peer(&self->peers[i]);
	free(self->path);
	free(self);
}
