/* Asking a running gate. The one hard part: an answer to `reload` takes as long as a policy takes
 * to load, and a gate that has died must not be waited for. */
#include "admin_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin_server.h"
#include "base/json_writer.h"
#include "gateway/node/log.h"

static const char *
remedy_of(int error)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		return ": no gate has this `admin_socket`; -s names another";
	case EACCES:
	case EPERM:
		return ": only root and the gate's own user may ask";
	default:
		return "";
	}
}

static int
connect_to(const char *path, int patience)
{
	const struct timeval limit = {.tv_sec = patience}; /* for a queue that is full, too */
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof address.sun_path) {
		log_error("%s: the path of a socket is shorter", path);
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
	    connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	log_error("%s: %s%s", path, strerror(errno), remedy_of(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool
send_request(int fd, const char *command, const char *name)
{
	struct buffer request = {0};

	buffer_puts(&request, "{");
	json_writer_member(&request, "command", command);
	if (name != NULL)
		json_writer_member(&request, "name", name);
	buffer_puts(&request, "}\n");
	/* It is short, and nothing else was sent: the socket takes it as a whole. */
	ssize_t n = send(fd, buffer_bytes(&request), buffer_size(&request), MSG_NOSIGNAL);
	bool sent = n == (ssize_t)buffer_size(&request);
	buffer_fini(&request);
	return sent;
}

/* Reads one line into TEXT. False when it did not come whole. */
static bool
receive_line(int fd, int patience, struct buffer *text)
{
	enum { PIECE = 65536 };

	while (buffer_size(text) < ADMIN_ANSWER_MAX) {
		struct pollfd readable = {.fd = fd, .events = POLLIN};
		if (poll(&readable, 1, patience * 1000) <= 0)
			return false;
		ssize_t n = recv(fd, buffer_reserve(text, PIECE), PIECE, 0);
		if (n <= 0)
			return false;
		buffer_commit(text, (size_t)n);
		if (text->data[text->end - 1] == '\n') {
			text->data[--text->end] = '\0';
			return true;
		}
	}
	return false;
}

json_t *
admin_client_ask(
    const char *socket, const char *command, const char *name, int patience, struct buffer *text)
{
	json_t *answer = NULL;
	int fd = connect_to(socket, patience);

	if (fd < 0)
		return NULL;
	if (send_request(fd, command, name) && receive_line(fd, patience, text))
		answer = json_loads(buffer_bytes(text), JSON_REJECT_DUPLICATES, NULL);
	close(fd);
	if (!json_is_object(answer)) {
		log_error(
		    "%s: the gate ended the connection, or let it wait too long, without an answer",
		    socket);
		json_decref(answer);
		return NULL;
	}
	const char *error = json_string_value(json_object_get(answer, "error"));
	if (error == NULL)
		return answer;
	log_error("%s", error);
	json_decref(answer);
	return NULL;
}
