/*
 * Accepting. The one hard part is to run out of file descriptors without spinning: accepting
 * then pauses until a connection ends.
 */
#include "server.h"

#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "faults.h"
#include "listen_socket.h"
#include "request_log.h"
#include "session.h"

/* Connections accepted in one turn of the loop. */
#define TURN_ACCEPTS 64

struct server {
	struct server_parts parts;
	struct session_context context;
	struct session *sessions;
	uint64_t count;
	ev_io acceptor;
};

static void
link_session(struct server *server, struct session *s)
{
	*session_next(s) = server->sessions;
	if (server->sessions != NULL)
		*session_previous(server->sessions) = s;
	server->sessions = s;
}

static void
on_session_end(struct session *s, void *data)
{
	struct server *server = data;
	struct session *next = *session_next(s);
	struct session *previous = *session_previous(s);

	if (next != NULL)
		*session_previous(next) = previous;
	if (previous != NULL)
		*session_next(previous) = next;
	else
		server->sessions = next;
	/* A descriptor is free again, in case accepting had paused. */
	ev_io_start(server->parts.loop, &server->acceptor);
}

static void
take_connection(struct server *server, int fd)
{
	uint64_t number = ++server->count;
	int one = 1;

	request_log_open(server->parts.log, number);
	if (faults_refuse(server->parts.faults)) {
		request_log_close(server->parts.log, number);
		close(fd);
		return;
	}
	if (!listen_socket_is_unix(server->parts.listener))
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	link_session(server, session_new(&server->context, fd, number));
}

static void
pause_accepting(struct server *server)
{
	fprintf(
	    stderr, "upstream-stub: warning: %s while accepting a connection\n", strerror(errno));
	/* Without a connection that could end, the only way on is to try again. */
	if (server->sessions != NULL)
		ev_io_stop(server->parts.loop, &server->acceptor);
}

static void
on_connection_waiting(struct ev_loop *loop, ev_io *w, int events)
{
	struct server *server = w->data;

	(void)loop;
	(void)events;
	for (int i = 0; i < TURN_ACCEPTS; i++) {
		int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			take_connection(server, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			pause_accepting(server);
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

struct server *
server_new(const struct server_parts *parts)
{
	struct server *server = calloc(1, sizeof *server);

	if (server == NULL)
		abort();
	server->parts = *parts;
	server->context = (struct session_context){
	    .loop = parts->loop,
	    .store = parts->store,
	    .faults = parts->faults,
	    .log = parts->log,
	    .on_end = on_session_end,
	    .data = server,
	};
	ev_io_init(
	    &server->acceptor, on_connection_waiting, listen_socket_fd(parts->listener), EV_READ);
	server->acceptor.data = server;
	ev_io_start(parts->loop, &server->acceptor);
	return server;
}

void
server_free(struct server *server)
{
	if (server == NULL)
		return;
	ev_io_stop(server->parts.loop, &server->acceptor);
	while (server->sessions != NULL) {
		struct session *s = server->sessions;

		server->sessions = *session_next(s);
		session_free(s);
	}
	free(server);
}
